//! The configuration and the input file, checked before anything is played.

use std::borrow::Cow;

use crate::config::Config;
use crate::error::DemoError;
use crate::rules::AGENTS;
use crate::wad::{EMBEDDED, LumpName, Wad};

/// More threads than this are a slip of the keyboard.
const MOST_THREADS: usize = 1024;

/// Checks what can be said about a configuration without its file. Budgets are the memory's business and not looked at.
///
/// # Errors
/// [`DemoError::Config`] for the first value that makes no sense.
pub fn check(config: &Config) -> Result<(), DemoError> {
    let wrong = |why: String| Err(DemoError::Config(why));
    if config.scenes == 0 {
        return wrong("there must be at least 1 scene to play".into());
    }
    if config.frames == 0 {
        return wrong("a scene must have at least 1 frame".into());
    }
    if config.threads == 0 || config.threads > MOST_THREADS {
        return wrong(format!("{} threads: use 1 to {MOST_THREADS}", config.threads));
    }
    if config.agents > AGENTS {
        return wrong(format!("{} agents are too many: use at most {AGENTS}", config.agents));
    }
    Ok(())
}

/// How many frames of each scene are warm-up: what the configuration says, but never all of them.
pub fn warmup(config: &Config) -> u32 {
    config.warmup.min(config.frames.saturating_sub(1))
}

/// The bytes of the WAD to play.
///
/// # Errors
/// [`DemoError::Read`] when the file cannot be read.
pub fn read(config: &Config) -> Result<Cow<'static, [u8]>, DemoError> {
    match &config.wad {
        None => Ok(Cow::Borrowed(EMBEDDED)),
        Some(path) => std::fs::read(path)
            .map(Cow::Owned)
            .map_err(|source| DemoError::Read { path: path.clone(), source }),
    }
}

/// The maps to play, in order; scene `n` plays number `n` modulo their number. Every one of them that will be played has been
/// checked, so that a broken map ends the run before it starts.
///
/// # Errors
/// [`DemoError::Wad`] for an unknown or broken map, [`DemoError::Config`] when the file has no maps.
pub fn maps(wad: &Wad<'_>, config: &Config) -> Result<Vec<LumpName>, DemoError> {
    let mut names = Vec::new();
    if config.maps.is_empty() {
        names.extend(wad.maps());
    } else {
        for name in &config.maps {
            names.push(wad.map(name)?.name());
        }
    }
    if names.is_empty() {
        let file = config.wad.as_deref().map_or_else(|| "the embedded WAD".into(), |path| path.to_string_lossy());
        return Err(DemoError::Config(format!("{file} has no maps")));
    }
    names.truncate(config.scenes as usize);
    for name in &names {
        wad.map(name)?;
    }
    Ok(names)
}

/// The error for a map in which nobody can stand anywhere.
pub fn no_start(map: LumpName) -> DemoError {
    DemoError::Config(format!("map {map} cannot be played: nobody can stand where its players or monsters start"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_values_are_refused() {
        let good = Config::default();
        assert!(check(&good).is_ok());
        let cases = [
            Config { scenes: 0, ..good.clone() },
            Config { frames: 0, ..good.clone() },
            Config { threads: 0, ..good.clone() },
            Config { threads: usize::MAX, ..good.clone() },
            Config { agents: u32::MAX, ..good.clone() },
        ];
        for config in cases {
            let error = check(&config).expect_err("refused");
            assert!(!error.to_string().is_empty() && !error.to_string().contains('\n'));
        }
        assert_eq!(warmup(&Config { frames: 10, warmup: 30, ..good.clone() }), 9);
        assert_eq!(warmup(&Config { frames: 600, warmup: 30, ..good }), 30);
    }

    #[test]
    fn maps_are_chosen_and_checked() {
        let wad = Wad::parse(EMBEDDED).expect("the embedded WAD is sound");
        let all: Vec<_> = wad.maps().collect();
        let config = Config { scenes: 1000, ..Config::default() };
        assert_eq!(maps(&wad, &config).expect("all are sound"), all);
        let last = all.last().expect("there are maps").to_string();
        let config = Config { maps: vec![last.clone(), last.to_lowercase()], scenes: 5, ..config };
        let chosen = maps(&wad, &config).expect("known");
        assert_eq!(chosen.iter().map(ToString::to_string).collect::<Vec<_>>(), [last.clone(), last]);
        let unknown = Config { maps: vec!["E9M9".into()], ..config };
        assert!(matches!(maps(&wad, &unknown), Err(DemoError::Wad(_))));
    }

    #[test]
    fn a_missing_file_is_named() {
        let config = Config { wad: Some("no/such/file.wad".into()), ..Config::default() };
        let error = read(&config).expect_err("there is no such file");
        assert!(error.to_string().contains("no/such/file.wad"), "{error}");
    }
}
