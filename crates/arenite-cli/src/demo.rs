//! Runs the game once and writes what came of it.

use std::path::Path;
use std::{fs, io};

use arenite::record::{self, RecordOptions, Recording};
use arenite_demo::config::{Config, Observer};
use arenite_demo::error::DemoError;
use arenite_demo::outcome::{Outcome, Record};
use arenite_demo::{report, world};

use crate::args::{DemoArgs, MOST_FRAMES, Scenes};
use crate::fault::Fault;
use crate::output::{Target, print};
use crate::progress::Progress;
use crate::summary::summary;

/// Where the results of a run go.
pub(crate) struct Targets {
    pub(crate) json: Option<Target>,
    pub(crate) report: Option<Target>,
}

impl Targets {
    /// Finds out before a run that may take long whether its results can be written.
    pub(crate) fn check(args: &DemoArgs) -> Result<Self, Fault> {
        let json = match args.json.as_deref() {
            Some(path) if path == Path::new("-") => Some(Target::Stdout),
            path => path.map(Target::check).transpose()?,
        };
        let report = args.report.as_deref().map(Target::check).transpose()?;
        if let (Some(json @ Target::File(_)), Some(report)) = (&json, &report)
            && json == report
        {
            return Err(Fault::new("--json and --report name the same file"));
        }
        let named = [args.json.as_deref(), args.report.as_deref()];
        if args.record.is_some() && named.contains(&args.record.as_deref()) {
            return Err(Fault::new("--record names the same file as --json or --report"));
        }
        Ok(Self { json, report })
    }
}

/// Runs the game with the program's own counting of heap calls.
pub(crate) fn run(args: &DemoArgs, heap_calls: fn() -> u64) -> Result<(), Fault> {
    let targets = Targets::check(args)?;
    let config = Config { heap_calls: Some(heap_calls), ..configure(args)? };
    if let Some(address) = args.metrics {
        let address = crate::metrics::serve(address)?;
        if !args.quiet {
            print(&mut io::stderr().lock(), format!("metrics at http://{address}/metrics\n").as_bytes())?;
        }
    }
    let recording = args.record.as_deref().map(|path| start_recording(path, args.sample)).transpose()?;
    let record = {
        let progress = Progress::new(config.frames, args.quiet);
        let mut marked = Marked { progress, frames: config.frames, scene: String::new() };
        world::run(&config, &mut marked)?
    };
    let recorded = recording.map(end_recording).transpose()?;
    let Record { outcome, .. } = &record;
    // The page and the figures first: a closed pipe must not cost them.
    if let Some(target) = &targets.report {
        let mut page = String::new();
        report::render(&record, &mut page).map_err(Fault::new)?;
        target.write(page.as_bytes())?;
    }
    if let Some(target) = &targets.json {
        target.write(json(outcome)?.as_bytes())?;
    }
    tell(args, targets.json.as_ref(), &(summary(outcome) + &recorded.unwrap_or_default()))
}

fn start_recording(path: &Path, sample: Option<u64>) -> Result<Recording, Fault> {
    // A device is never read again, and a pipe that nobody reads would stop the game.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Fault::new(format_args!("cannot write {}: it is not a file", path.display())));
    }
    record::start(RecordOptions::new(path).sample(sample.unwrap_or(0))).map_err(Fault::new)
}

/// Ends a recording; the line that says what came of it.
fn end_recording(recording: Recording) -> Result<String, Fault> {
    let path = recording.path().to_owned();
    let summary = recording.stop().map_err(Fault::new)?;
    Ok(format!("Recording                 {summary}; arenite report {}\n", path.display()))
}

/// Marks in the recording, if one is made, where the frames of each scene begin and end.
struct Marked {
    progress: Progress,
    frames: u32,
    scene: String,
}

impl Observer for Marked {
    fn scene_started(&mut self, map: &str, scene: u32, scenes: u32) {
        if record::is_on() {
            self.scene = format!("scene {} ({map})", scene + 1);
            record::mark(&format!("{} begins", self.scene));
        }
        self.progress.scene_started(map, scene, scenes);
    }

    fn frame_done(&mut self, frames: u32) {
        if record::is_on() && frames == self.frames {
            record::mark(&format!("{} ends", self.scene));
        }
        self.progress.frame_done(frames);
    }
}

/// Prints `text` where it does not mix with JSON.
pub(crate) fn tell(args: &DemoArgs, json: Option<&Target>, text: &str) -> Result<(), Fault> {
    match json {
        _ if args.quiet => Ok(()),
        Some(Target::Stdout) => print(&mut io::stderr().lock(), text.as_bytes()),
        _ => print(&mut io::stdout().lock(), text.as_bytes()),
    }
}

fn json(outcome: &Outcome) -> Result<String, Fault> {
    serde_json::to_string_pretty(outcome).map(|text| text + "\n").map_err(Fault::new)
}

/// The configuration that the options describe.
pub(crate) fn configure(args: &DemoArgs) -> Result<Config, Fault> {
    check_wad(args.wad.as_deref())?;
    if args.defrag_budget.is_some()
        && !args.budgets.iter().any(|(name, _)| world::STREAMED.contains(&name.as_str()))
    {
        return Err(Fault::new(
            "--defrag-budget is for what streams: give --budget textures=SIZE or sounds=SIZE",
        ));
    }
    let defaults = Config::default();
    let named = u32::try_from(args.maps.len()).unwrap_or(u32::MAX);
    let scenes = match args.scenes {
        Some(Scenes::Count(count)) => count.get(),
        _ if named > 0 => named,
        Some(Scenes::All) => maps_of(args)?,
        None => defaults.scenes,
    };
    let frames = u64::from(scenes) * u64::from(args.frames);
    if frames > MOST_FRAMES {
        return Err(Fault::new(format_args!(
            "{scenes} scenes of {} frames are {frames} frames; one run records at most {MOST_FRAMES}",
            args.frames
        )));
    }
    Ok(Config {
        wad: args.wad.clone(),
        maps: args.maps.clone(),
        scenes,
        frames: args.frames,
        agents: args.agents,
        seed: args.seed,
        threads: args.threads.map_or(defaults.threads, |threads| threads as usize),
        budgets: args.budgets.clone(),
        defrag_ns: args.defrag_budget,
        leak: args.leak.map_or(0, |leak| usize::try_from(leak).unwrap_or(usize::MAX)),
        ..defaults
    })
}

/// How many maps the file has, for `--scenes all`.
fn maps_of(args: &DemoArgs) -> Result<u32, Fault> {
    let config = Config { wad: args.wad.clone(), budgets: args.budgets.clone(), ..Config::default() };
    let maps = world::count_maps(&config)?;
    match u32::try_from(maps) {
        // The game itself says what is missing.
        Ok(0) => Ok(1),
        Ok(maps) => Ok(maps),
        Err(_) => Err(Fault::new(format_args!("the file has {maps} maps; name the ones to play with --map"))),
    }
}

/// Refuses what is no file of its own: a device never ends, and a pipe cannot be read twice.
fn check_wad(wad: Option<&Path>) -> Result<(), Fault> {
    let Some(path) = wad else { return Ok(()) };
    let found = fs::metadata(path).map_err(|source| DemoError::Read { path: path.to_owned(), source })?;
    if found.is_file() {
        return Ok(());
    }
    Err(Fault::new(format_args!("cannot read {}: it is not a file", path.display())))
}
