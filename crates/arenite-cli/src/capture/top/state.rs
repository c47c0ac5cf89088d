//! What the person in front of the dashboard has chosen.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// The longest filter.
const LONGEST_FILTER: usize = 64;

/// What is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum View {
    #[default]
    Overview,
    Tags,
    Sites,
    Frames,
    Threads,
}

impl View {
    /// All, in the order of their keys.
    pub(super) const ALL: [Self; 5] = [Self::Overview, Self::Tags, Self::Sites, Self::Frames, Self::Threads];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Tags => "tags",
            Self::Sites => "call sites",
            Self::Frames => "frames",
            Self::Threads => "threads",
        }
    }

    /// The orders in which its rows can be shown; the first one is that in which they are at first.
    pub(super) fn orders(self) -> &'static [Order] {
        match self {
            Self::Overview => &[],
            Self::Tags => &[Order::Live, Order::Rate, Order::Name],
            Self::Sites => &[Order::Live, Order::Rate, Order::AskedFor, Order::Calls],
            Self::Frames => &[Order::Latest, Order::Calls, Order::AskedFor],
            Self::Threads => &[Order::Rate, Order::AskedFor, Order::Name],
        }
    }
}

/// By what rows are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Live,
    Rate,
    AskedFor,
    Calls,
    Latest,
    Name,
}

impl Order {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Rate => "rate",
            Self::AskedFor => "asked for",
            Self::Calls => "calls",
            Self::Latest => "latest",
            Self::Name => "name",
        }
    }
}

/// What a key asks of the program; what it asks of the display is in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Nothing,
    Redraw,
    Quit,
}

/// How many rows there are, and how many are seen at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) page: usize,
}

impl Extent {
    /// The first row of the last page.
    pub(super) fn last(self) -> usize {
        self.rows.saturating_sub(self.page)
    }
}

/// What is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) view: View,
    /// Which of its orders each view has.
    orders: [usize; 5],
    /// Pictures are not replaced.
    pub(super) paused: bool,
    /// The first row that is seen.
    pub(super) first: usize,
    /// Rows have this text in their names, in whatever case.
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
}

impl State {
    /// The order of this view's rows.
    pub(super) fn order(&self) -> Option<Order> {
        self.order_of(self.view)
    }

    pub(super) fn order_of(&self, view: View) -> Option<Order> {
        view.orders().get(self.orders[view as usize]).copied()
    }

    /// Another view, from its first row.
    pub(super) fn look_at(&mut self, view: View) {
        (self.view, self.first) = (view, 0);
    }

    /// Whether a row of this name is shown.
    pub(super) fn shows(&self, name: &str) -> bool {
        self.filter.is_empty() || name.to_lowercase().contains(&self.filter.to_lowercase())
    }

    /// A key was pressed, while so many rows were there.
    pub(super) fn key(&mut self, key: &KeyEvent, extent: Extent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Nothing;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c')) {
            return Action::Quit;
        }
        if control || key.modifiers.contains(KeyModifiers::ALT) {
            return Action::Nothing;
        }
        let before = self.clone();
        if self.typing {
            self.type_filter(key.code);
        } else if matches!(key.code, KeyCode::Char('q')) {
            return Action::Quit;
        } else {
            self.command(key.code, extent);
        }
        if *self == before { Action::Nothing } else { Action::Redraw }
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(letter) if !letter.is_control() && self.filter.chars().count() < LONGEST_FILTER => {
                self.filter.push(letter);
            }
            _ => return,
        }
        self.first = 0;
    }

    fn command(&mut self, key: KeyCode, extent: Extent) {
        let last = extent.last();
        let first = self.first.min(last);
        let place = self.view as usize;
        match key {
            KeyCode::Char(digit @ '1'..='5') => self.look_at(View::ALL[digit as usize - '1' as usize]),
            KeyCode::Tab | KeyCode::Right => self.look_at(View::ALL[(place + 1) % View::ALL.len()]),
            KeyCode::BackTab | KeyCode::Left => {
                self.look_at(View::ALL[(place + View::ALL.len() - 1) % View::ALL.len()]);
            }
            KeyCode::Char('s') if !self.view.orders().is_empty() => {
                self.orders[place] = (self.orders[place] + 1) % self.view.orders().len();
                self.first = 0;
            }
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Char('/') if self.view != View::Overview => self.typing = true,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Down | KeyCode::Char('j') => self.first = (first + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.first = first.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.first = (first + extent.page.max(1)).min(last),
            KeyCode::PageUp => self.first = first.saturating_sub(extent.page.max(1)),
            KeyCode::Home => self.first = 0,
            KeyCode::End => self.first = last,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Extent = Extent { rows: 30, page: 10 };

    fn press(state: &mut State, keys: &[KeyCode]) -> Action {
        let mut action = Action::Nothing;
        for key in keys {
            action = state.key(&KeyEvent::from(*key), ROWS);
        }
        action
    }

    #[test]
    fn views_by_number_and_in_turn() {
        let mut state = State::default();
        for (digit, view) in ('1'..='5').zip(View::ALL) {
            press(&mut state, &[KeyCode::Char('4'), KeyCode::End, KeyCode::Char(digit)]);
            assert_eq!((state.view, state.first > 0), (view, digit == '4' && state.first > 0));
        }
        for turn in 1..=10 {
            assert_eq!(press(&mut state, &[KeyCode::Tab]), Action::Redraw);
            assert_eq!(state.view, View::ALL[(4 + turn) % 5]);
        }
        press(&mut state, &[KeyCode::Char('1'), KeyCode::BackTab]);
        assert_eq!(state.view, View::Threads);
        assert_eq!(press(&mut state, &[KeyCode::Char('9')]), Action::Nothing);
        assert_eq!(press(&mut state, &[KeyCode::F(5)]), Action::Nothing);
    }

    #[test]
    fn each_view_has_its_own_order() {
        let mut state = State::default();
        assert_eq!((press(&mut state, &[KeyCode::Char('s')]), state.order()), (Action::Nothing, None));
        let seen: Vec<Option<Order>> = (0..4)
            .map(|_| {
                press(&mut state, &[KeyCode::Char('2'), KeyCode::Char('s')]);
                state.order()
            })
            .collect();
        assert_eq!(seen, [Order::Rate, Order::Name, Order::Live, Order::Rate].map(Some));
        assert_eq!(state.order_of(View::Sites), Some(Order::Live));
        assert_eq!(state.order_of(View::Frames), Some(Order::Latest));
    }

    #[test]
    fn pages_end_where_rows_do() {
        let mut state = State::default();
        let mut at = |keys: &[KeyCode]| {
            press(&mut state, keys);
            state.first
        };
        assert_eq!(at(&[KeyCode::Up]), 0);
        assert_eq!(at(&[KeyCode::Down, KeyCode::Down]), 2);
        assert_eq!(at(&[KeyCode::PageDown]), 12);
        assert_eq!(at(&[KeyCode::PageDown]), 20);
        assert_eq!(at(&[KeyCode::Down]), 20);
        assert_eq!(at(&[KeyCode::PageUp]), 10);
        assert_eq!((at(&[KeyCode::End]), at(&[KeyCode::Home])), (20, 0));
        // Rows have become fewer meanwhile.
        state.first = 1000;
        assert_eq!(state.key(&KeyEvent::from(KeyCode::Up), Extent { rows: 3, page: 10 }), Action::Redraw);
        assert_eq!(state.first, 0);
        state.key(&KeyEvent::from(KeyCode::PageDown), Extent { rows: 3, page: 0 });
        assert_eq!(state.first, 1);
    }

    #[test]
    fn a_filter_is_typed_and_taken_back() {
        let mut state = State::default();
        assert_eq!(press(&mut state, &[KeyCode::Char('/')]), Action::Nothing, "the overview has no rows");
        press(&mut state, &[KeyCode::Char('3'), KeyCode::Down, KeyCode::Char('/')]);
        assert!(state.typing);
        let typed = ['q', 'S', '1', 'ä'].map(KeyCode::Char);
        assert_eq!(press(&mut state, &typed), Action::Redraw, "q is a letter here");
        assert_eq!((state.filter.as_str(), state.view, state.first), ("qS1ä", View::Sites, 0));
        assert_eq!(press(&mut state, &[KeyCode::Tab]), Action::Nothing);
        press(&mut state, &[KeyCode::Backspace, KeyCode::Backspace, KeyCode::Enter]);
        assert_eq!((state.filter.as_str(), state.typing), ("qS", false));
        assert!(state.shows("my::QS::f") && !state.shows("f"));
        press(&mut state, &[KeyCode::Esc]);
        assert!(state.filter.is_empty() && state.shows("f"));
        press(&mut state, &[KeyCode::Char('/'), KeyCode::Char('x'), KeyCode::Esc]);
        assert!(!state.typing && state.filter.is_empty());
        press(&mut state, &[KeyCode::Char('/')]);
        press(&mut state, &[KeyCode::Char('x'); 200]);
        assert_eq!(state.filter.len(), LONGEST_FILTER);
    }

    #[test]
    fn what_ends_it() {
        let mut state = State::default();
        let ctrl_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(press(&mut state, &[KeyCode::Char('q')]), Action::Quit);
        assert_eq!(state.key(&ctrl_c, ROWS), Action::Quit);
        press(&mut state, &[KeyCode::Char('2'), KeyCode::Char('/')]);
        assert_eq!(state.key(&ctrl_c, ROWS), Action::Quit, "while typing, too");
        let released = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        press(&mut state, &[KeyCode::Esc]);
        assert_eq!(state.key(&released, ROWS), Action::Nothing);
        let ctrl_q = KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL);
        assert_eq!(state.key(&ctrl_q, ROWS), Action::Nothing);
        assert_eq!((press(&mut state, &[KeyCode::Char('p')]), state.paused), (Action::Redraw, true));
    }
}
