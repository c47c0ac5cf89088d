//! Pictures against the cells that they are drawn as.

use arenite_inspect::BudgetFigures;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::super::picture::{Picture, Status};
use super::super::samples::{game, hostile};
use super::super::state::{State, View};
use super::{draw, extent};

fn drawn(picture: &Picture, state: &State, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| draw(picture, state, frame.area(), frame.buffer_mut())).expect("drawn");
    terminal.backend().buffer().clone()
}

/// The cells without their style; a wide character takes two of them.
fn lines(buffer: &Buffer) -> Vec<String> {
    let area = buffer.area();
    let line = |row| (0..area.width).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    (0..area.height).map(|row| line(row).trim_end().to_owned()).collect()
}

fn state(keys: &str) -> State {
    let mut state = State::default();
    let seen = extent(&game(), &state, Rect::new(0, 0, 80, 24));
    for key in keys.chars() {
        let key = if key == '\n' { KeyCode::Enter } else { KeyCode::Char(key) };
        state.key(&KeyEvent::from(key), seen);
    }
    state
}

#[track_caller]
fn assert_drawn(picture: &Picture, keys: &str, width: u16, expected: &[&str]) {
    let buffer = drawn(picture, &state(keys), width, expected.len() as u16);
    let found = lines(&buffer);
    assert!(found == expected, "drawn is\n{}\nexpected was\n{}", found.join("\n"), expected.join("\n"));
}

#[test]
fn every_view_at_every_size_draws_what_names_say_and_nothing_else() {
    for picture in [game(), hostile(), Picture::default()] {
        for (width, height) in
            (0..45).flat_map(|height| [0, 1, 2, 7, 14, 20, 37, 60, 100, 131].map(|width| (width, height)))
        {
            for keys in ["1", "2", "2ss", "3", "3s", "4", "4s", "5", "2p", "3/LE", "3/LE\n", "4jjjj"] {
                let mut state = state(keys);
                state.first = usize::from(width) * 7;
                let area = Rect::new(0, 0, width, height);
                let mut buffer = Buffer::empty(area);
                draw(&picture, &state, area, &mut buffer);
                for cell in buffer.content() {
                    assert!(!cell.symbol().chars().any(char::is_control), "{:?}", cell.symbol());
                    assert!(!cell.symbol().contains(['\u{202e}', '\u{200b}']), "{:?}", cell.symbol());
                }
                let extent = extent(&picture, &state, area);
                assert!(extent.page < usize::from(height.max(1)) + 1);
            }
        }
    }
}

#[test]
fn an_area_beside_others_is_kept_to() {
    let area = Rect::new(7, 3, 40, 12);
    for view in View::ALL {
        let mut state = State::default();
        state.look_at(view);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 60, 20));
        draw(&hostile(), &state, area, &mut buffer);
        for (column, row) in (0..60).flat_map(|column| (0..20).map(move |row| (column, row))) {
            let inside = area.contains((column, row).into());
            assert!(inside || buffer[(column, row)].symbol() == " ", "{view:?}: {column}, {row}");
        }
        let alone = drawn(&hostile(), &state, 40, 12);
        assert_eq!(buffer[(7, 3)].symbol(), alone[(0, 0)].symbol());
        assert_eq!(buffer[(20, 8)].symbol(), alone[(13, 5)].symbol());
    }
}

#[test]
fn the_overview() {
    let expected = [
        " live  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "live         9.54 MiB in 1,234 blocks · peak 19.1 MiB",
        "per second   1,500 calls · 3 MiB · 1,400 frees",
        "per frame    4.5 calls · 450 B · frame 99 took 16 ms",
        "asked for    47.7 MiB by 13,574 calls · 11,106 frees",
        "memory       90 MiB in RAM · tags have 64 MiB · 26 MiB is no tag's",
        "",
        "live         up to 7.63 MiB",
        "                                                                              ▄█",
        "                                                                            ▄███",
        "                                                                          ▄█████",
        "                                                                        ▄███████",
        "",
        "calls        up to 32 a second",
        "                                                                              ▄█",
        "                                                                            ▄███",
        "                                                                          ▄█████",
        "                                                                        ▄███████",
        "",
        "asked for    up to 31.2 KiB a second",
        "                                                                            ▂▄▆█",
        "                                                                        ▂▄▆█████",
        "",
        "mark         3 s · 5 MiB live · level loaded",
        "",
        "",
        " q quit  1-5 tab view  p pause",
    ];
    assert_drawn(&game(), "1", 80, &expected);
    let mut picture = game();
    picture.warnings = vec!["3 events came late".to_owned()];
    picture.status = Status::Left;
    let expected = [
        " abandoned  12.5 s",
        " 1 overview  2  3  4",
        "live         9.54 Mi",
        "per second   1,500 c",
        "per frame    4.5 cal",
        "asked for    47.7 Mi",
        "memory       90 MiB",
        "note         3 event",
        "",
        " q quit  1-5 tab vie",
    ];
    assert_drawn(&picture, "1", 20, &expected);
}

#[test]
fn tags_with_their_budgets() {
    let expected = [
        " live  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "tag, with those below         live      share      own/s       peak own blocks     memory    calls/s",
        "scene                     7.63 MiB   80 % all      2 KiB   15.3 MiB      8,000      4 MiB          7",
        "scene/textures            5.72 MiB  50 % bud.      2 KiB   11.4 MiB      6,000      4 MiB          7",
        "ui                        1.91 MiB 200 % bud.      2 KiB   3.81 MiB      2,000      4 MiB          7",
        "",
        " q quit  1-5 tab view  s order: live  p pause  ↑↓ page scroll  / filter",
    ];
    assert_drawn(&game(), "2", 100, &expected);
    // What the program allows is of memory; what the reader says comes before it.
    let mut picture = game();
    let mut budget = BudgetFigures::default();
    budget.limit = 5 << 20;
    picture.tags.iter_mut().for_each(|tag| tag.budget = Some(budget));
    let found = lines(&drawn(&picture, &state("2"), 100, 8));
    assert!(found[3].contains("  80 % bud.") && found[4].contains("  50 % bud."), "{found:?}");
    let buffer = drawn(&game(), &state("2"), 120, 8);
    let found = lines(&buffer);
    let bar = |row: usize| found[row].chars().filter(|symbol| ('█'..='▏').contains(symbol)).count();
    assert_eq!([3, 4, 5].map(bar), [12, 7, 14], "{found:?}");
    let colour = |column: u16, row: u16| buffer[(column, row)].fg;
    assert_eq!((colour(0, 5), colour(35, 5), colour(0, 4)), (Color::Red, Color::Red, Color::Reset));
    assert_eq!((colour(30, 3), colour(30, 4)), (Color::Green, Color::Green));
    assert!(buffer[(15, 1)].modifier.contains(Modifier::REVERSED), "the view that is seen");
    assert!(!buffer[(2, 1)].modifier.contains(Modifier::REVERSED));
    // By name, the filter and its end.
    let expected = [
        " live  12.5 s  proce",
        " 1  2 tags  3  4  5",
        "tag, wit…       live",
        "…textur…",
        " filter: tex▏  enter",
    ];
    let expected = expected.map(|line| line.replace("…textur…", "…textures   5.72 MiB"));
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    assert_drawn(&game(), "2/tex", 20, &expected);
}

#[test]
fn call_sites_by_what_is_asked() {
    let expected = [
        " live  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "       live    bytes/s     blocks  call site (of 77 sites)",
        "   5.72 MiB        0 B      6,000  game::load_level (game/level.rs:12)",
        "   1.91 MiB   4.88 KiB      2,000  game::ui::label (game/ui.rs:7)",
        "     1000 B   1.95 KiB          1  (stack 3 is being looked up)",
        " q quit  1-5 tab view  s order: live  p pause  ↑↓ page scroll  / filter",
    ];
    assert_drawn(&game(), "3", 80, &expected);
    let expected = [
        " live  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "       live    bytes/s     blocks  call site (of 77 sites)",
        "   1.91 MiB   4.88 KiB      2,000  game::ui::label (game/ui.rs:7)",
        " q quit  1-5 tab view  s order: rate  p pause  ↑↓ page scroll  / filter",
    ];
    assert_drawn(&game(), "3s", 80, &expected);
    let narrow = ["       live  call si…", "   5.72 MiB  game::l…"];
    let found = lines(&drawn(&game(), &state("3"), 21, 5));
    assert_eq!(found[2..4], narrow);
}

#[test]
fn frames_and_threads() {
    let expected = [
        " live  display paused  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "calls of each  600 frames; most calls: 52 calls of 5.08 KiB in frame 17",
        "        ▃█        ▃█        ▃█        ▃█        ▃█        ▃█        ▃█        ▃█",
        "      ▂▇██      ▂▇██      ▂▇██      ▂▇██      ▂▇██      ▂▇██      ▂▇██      ▂▇██",
        "    ▁▆████    ▁▆████    ▁▆████    ▁▆████    ▁▆████    ▁▆████    ▁▆████    ▁▆████",
        "   ▅██████   ▅██████   ▅██████   ▅██████   ▅██████   ▅██████   ▅██████   ▅██████",
        " ▄████████ ▄████████ ▄████████ ▄████████ ▄████████ ▄████████ ▄████████ ▄████████",
        "frame               calls  asked for      frees same frame       time       live",
        "frame 99                9      900 B          4          1      16 ms   9.54 MiB",
        "frame 98                8      800 B          4          1      16 ms   9.54 MiB",
        "frame 97                7      700 B          3          1      16 ms   9.54 MiB",
        "frame 96                6      600 B          3          1      16 ms   9.54 MiB",
        "frame 95                5      500 B          2          1      16 ms   9.54 MiB",
        " q quit  1-5 tab view  s order: latest  p go on  ↑↓ page scroll  / filter",
    ];
    assert_drawn(&game(), "4p", 80, &expected);
    let found = lines(&drawn(&game(), &state("4s/99\n"), 80, 6));
    assert_eq!(found[3], expected[9]);
    assert!(found[4].is_empty() && found[5].ends_with("order: calls  p pause  ↑↓ page scroll  / filter: 99"));
    let expected = [
        " live  12.5 s /tmp/game.arec process 4711",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "thread           bytes/s    calls/s    frees/s  asked for",
        "2 (no name)     8.79 KiB         11         12    879 KiB",
        "1 main          4.88 KiB         11         12    488 KiB",
        " q quit  1-5 tab view  s order: rate  p pause  ↑↓ page sc",
    ];
    assert_drawn(&game(), "5", 57, &expected);
}

#[test]
fn names_that_no_program_should_have() {
    let buffer = drawn(&hostile(), &state("2"), 60, 8);
    let expected = [
        " lost  1.0e30 s …31m/日 本 語 /�5mgame.arec process 4294967295",
        " 1 overview  2 tags  3 call sites  4 frames  5 threads",
        "tag, with those…       live      share      own/s       peak",
        "�]0;title��[2J      410 PiB 999 % bud.      2 KiB    819 PiB",
        "a�b����c            410 PiB  100 % all      2 KiB    819 PiB",
        "                    410 PiB  100 % all      2 KiB    819 PiB",
        "…本 語 /タ グ /名 前      410 PiB  100 % all      2 KiB    819 PiB",
        " q quit  1-5 tab view  s order: live  p pause  ↑↓ page scrol",
    ];
    assert_eq!(lines(&buffer), expected);
}
