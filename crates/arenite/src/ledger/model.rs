//! The ledger against a naive tree of figures that is summed anew after each step.

use std::boxed::Box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec::Vec;

use proptest::prelude::*;

use super::tests::ledger;
use super::*;

/// One step of a program. Tags and amounts are taken modulo what there is, so that every program means something.
#[derive(Clone, Debug)]
enum Op {
    Register(usize),
    ChargeReserved(usize, usize),
    CreditReserved(usize, usize),
    Commit(usize, usize),
    Decommit(usize, usize),
    /// From, to, how much, and whether no budget is asked.
    Transfer(usize, usize, usize, bool),
    MoveLive(usize, usize),
    SetBudget(usize, Budget),
    /// What this tag's callback gives back of the tag's own bytes each time it is asked to make room.
    Give(usize, usize),
}

const PATHS: [&str; 7] = ["a", "a/b", "a/b/c", "a/d", "e", "e/f/g/h", "untagged"];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let tag = 0..12_usize;
    let bytes = 0..100_usize;
    let budget = (0..3_u8, 0..200_usize, prop::option::of(0.0..=1.0_f64)).prop_map(|(kind, limit, warn)| {
        let budget = match kind {
            0 => Budget::NONE,
            1 => Budget::soft(limit),
            _ => Budget::hard(limit),
        };
        warn.map_or(budget, |fraction| budget.warn_at(fraction))
    });
    let op = prop_oneof![
        1 => (0..PATHS.len()).prop_map(Op::Register),
        1 => (tag.clone(), bytes.clone()).prop_map(|(t, n)| Op::ChargeReserved(t, n)),
        1 => (tag.clone(), bytes.clone()).prop_map(|(t, n)| Op::CreditReserved(t, n)),
        4 => (tag.clone(), bytes.clone()).prop_map(|(t, n)| Op::Commit(t, n)),
        3 => (tag.clone(), bytes.clone()).prop_map(|(t, n)| Op::Decommit(t, n)),
        2 => (tag.clone(), tag.clone(), bytes.clone(), any::<bool>())
            .prop_map(|(from, to, n, forced)| Op::Transfer(from, to, n, forced)),
        2 => (tag.clone(), bytes.clone()).prop_map(|(t, n)| Op::MoveLive(t, n)),
        1 => (tag.clone(), bytes).prop_map(|(t, n)| Op::Give(t, n)),
        1 => (tag, budget).prop_map(|(t, b)| Op::SetBudget(t, b)),
    ];
    prop::collection::vec(op, 1..120)
}

/// What the model knows of one tag.
struct Node {
    tag: Tag,
    parent: Option<usize>,
    own: Figures,
    peak_committed: usize,
    peak_live: usize,
    budget: Budget,
    /// Warning, over, refused: how often the ledger's callback was called.
    heard: &'static [AtomicUsize; 3],
    expected: [usize; 3],
    gives: &'static AtomicUsize,
    told_warning: bool,
    told_limit: bool,
}

#[derive(Default)]
struct Model {
    nodes: Vec<Node>,
}

impl Model {
    fn inside(&self, node: usize, ancestor: usize) -> bool {
        let mut at = Some(node);
        while let Some(n) = at {
            if n == ancestor {
                return true;
            }
            at = self.nodes[n].parent;
        }
        false
    }

    fn subtree(&self, ancestor: usize) -> Figures {
        let mut sum = Figures::ZERO;
        for n in (0..self.nodes.len()).filter(|&n| self.inside(n, ancestor)) {
            let own = self.nodes[n].own;
            sum.reserved += own.reserved;
            sum.committed += own.committed;
            sum.live += own.live;
            sum.reservations += own.reservations;
            sum.commits += own.commits;
            sum.decommits += own.decommits;
        }
        sum
    }

    /// Takes over tags the ledger has registered since the last look.
    fn learn(&mut self, ledger: &'static Ledger) {
        for tag in ledger.tags().skip(self.nodes.len()) {
            let parent = tag.parent().map(|parent| self.nodes.iter().position(|n| n.tag == parent).unwrap());
            let heard: &'static [AtomicUsize; 3] = Box::leak(Box::default());
            let gives: &'static AtomicUsize = Box::leak(Box::default());
            tag.on_pressure(Box::leak(Box::new(move |p: &Pressure| {
                assert_eq!(p.in_use, tag.account().subtree.committed);
                heard[p.level as usize].fetch_add(1, Ordering::Relaxed);
                if p.level == PressureLevel::Refused {
                    tag.credit_committed(gives.load(Ordering::Relaxed).min(tag.account().own.committed));
                }
            })))
            .unwrap();
            self.nodes.push(Node {
                tag,
                parent,
                own: Figures::ZERO,
                peak_committed: 0,
                peak_live: 0,
                budget: Budget::NONE,
                heard,
                expected: [0; 3],
                gives,
                told_warning: false,
                told_limit: false,
            });
        }
    }

    /// The nearest tag that has not the room, of those that do not contain `without` as well.
    fn refuser(&self, node: usize, bytes: usize, without: Option<usize>) -> Option<usize> {
        let mut at = Some(node);
        while let Some(n) = at {
            if without.is_some_and(|from| self.inside(from, n)) {
                return None;
            }
            let budget = self.nodes[n].budget;
            if budget.is_hard() && self.subtree(n).committed + bytes > budget.limit().unwrap() {
                return Some(n);
            }
            at = self.nodes[n].parent;
        }
        None
    }

    /// Who refuses `bytes` in the end, after each tag that refuses was asked once to make room, and gave what it gives.
    fn ask_for_room(&mut self, node: usize, bytes: usize, without: Option<usize>) -> Option<usize> {
        let mut asked = Vec::new();
        loop {
            let refuser = self.refuser(node, bytes, without)?;
            if asked.contains(&refuser) {
                return Some(refuser);
            }
            asked.push(refuser);
            let asked = &mut self.nodes[refuser];
            asked.expected[2] += 1;
            let given = asked.gives.load(Ordering::Relaxed).min(asked.own.committed);
            if given > 0 {
                asked.own.committed -= given;
                asked.own.decommits += 1;
                self.forget(|model, n| model.inside(refuser, n));
            }
            self.hear(|_, n| n == refuser);
        }
    }

    /// What each of some tags should be told when their figures grew or their budget was set.
    fn hear(&mut self, only: impl Fn(&Self, usize) -> bool) {
        for n in (0..self.nodes.len()).filter(|&n| only(self, n)).collect::<Vec<_>>() {
            let in_use = self.subtree(n).committed;
            let node = &mut self.nodes[n];
            let over = node.budget.limit().is_some_and(|limit| in_use > limit);
            let warned = node.budget.warning().is_some_and(|mark| in_use >= mark);
            if over && !node.told_limit {
                (node.told_limit, node.told_warning) = (true, true);
                node.expected[1] += 1;
            } else if warned && !over && !node.told_warning {
                node.told_warning = true;
                node.expected[0] += 1;
            }
        }
    }

    /// What falls below 95 % of a mark may be told again.
    fn forget(&mut self, only: impl Fn(&Self, usize) -> bool) {
        for n in (0..self.nodes.len()).filter(|&n| only(self, n)).collect::<Vec<_>>() {
            let in_use = self.subtree(n).committed;
            let node = &mut self.nodes[n];
            let clear = |mark: Option<usize>| mark.is_none_or(|mark| in_use < mark - mark / 20);
            node.told_warning &= !clear(node.budget.warning());
            node.told_limit &= !clear(node.budget.limit());
        }
    }

    fn check(&mut self, ledger: &'static Ledger) {
        let mut all = [AccountSnapshot::default(); 16];
        let written = ledger.snapshot_into(&mut all);
        assert_eq!(written, self.nodes.len());
        for (n, seen) in all[..written].iter().enumerate() {
            let subtree = self.subtree(n);
            let node = &mut self.nodes[n];
            node.peak_committed = node.peak_committed.max(subtree.committed);
            node.peak_live = node.peak_live.max(subtree.live);
            let expected = AccountSnapshot {
                name: node.tag.name(),
                parent: node.tag.parent().map(Tag::name),
                own: node.own,
                subtree,
                peak_committed: node.peak_committed,
                peak_live: node.peak_live,
                budget: node.budget,
                status: node.budget.status(subtree.committed),
            };
            assert_eq!(*seen, expected);
            assert_eq!(*seen, node.tag.account());
            let heard = node.heard.each_ref().map(|count| count.load(Ordering::Relaxed));
            assert_eq!(heard, node.expected, "warning, over, refused of {}", node.tag);
        }
    }

    fn step(&mut self, ledger: &'static Ledger, op: &Op) {
        let at = |t: usize| t % self.nodes.len();
        match *op {
            Op::Register(path) => {
                assert_eq!(ledger.register(PATHS[path]).map(Tag::name), Ok(PATHS[path]));
                self.learn(ledger);
            }
            Op::ChargeReserved(t, bytes) => {
                let node = at(t);
                self.nodes[node].tag.charge_reserved(bytes);
                self.nodes[node].own.reserved += bytes;
                self.nodes[node].own.reservations += 1;
            }
            Op::CreditReserved(t, bytes) => {
                let node = at(t);
                let bytes = bytes.min(self.nodes[node].own.reserved);
                self.nodes[node].tag.credit_reserved(bytes);
                self.nodes[node].own.reserved -= bytes;
            }
            Op::Commit(t, bytes) => {
                let node = at(t);
                let result = self.nodes[node].tag.try_charge_committed(bytes);
                let refuser = if bytes == 0 { None } else { self.ask_for_room(node, bytes, None) };
                assert_eq!(result.err().map(|e| e.tag), refuser.map(|n| self.nodes[n].tag));
                if bytes > 0 && refuser.is_none() {
                    self.nodes[node].own.committed += bytes;
                    self.nodes[node].own.commits += 1;
                    self.hear(|model, n| model.inside(node, n));
                }
            }
            Op::Decommit(t, bytes) => {
                let node = at(t);
                let bytes = bytes.min(self.nodes[node].own.committed);
                self.nodes[node].tag.credit_committed(bytes);
                if bytes > 0 {
                    self.nodes[node].own.committed -= bytes;
                    self.nodes[node].own.decommits += 1;
                    self.forget(|model, n| model.inside(node, n));
                }
            }
            Op::Transfer(from, to, bytes, forced) => {
                let (from, to) = (at(from), at(to));
                let bytes = bytes.min(self.nodes[from].own.committed);
                let [giver, taker] = [from, to].map(|node| self.nodes[node].tag);
                let mut refuser = None;
                if forced {
                    giver.transfer_committed(taker, bytes);
                } else {
                    let answer = giver.try_transfer_committed(taker, bytes);
                    if bytes > 0 && from != to {
                        refuser = self.ask_for_room(to, bytes, Some(from));
                    }
                    assert_eq!(answer.err().map(|e| e.tag), refuser.map(|n| self.nodes[n].tag));
                }
                if bytes > 0 && refuser.is_none() {
                    self.nodes[from].own.committed -= bytes;
                    self.nodes[to].own.committed += bytes;
                    self.forget(|model, n| model.inside(from, n) && !model.inside(to, n));
                    self.hear(|model, n| model.inside(to, n) && !model.inside(from, n));
                }
            }
            Op::MoveLive(t, bytes) => {
                let node = at(t);
                self.nodes[node].tag.move_live(self.nodes[node].own.live, bytes);
                self.nodes[node].own.live = bytes;
            }
            Op::Give(t, bytes) => self.nodes[at(t)].gives.store(bytes, Ordering::Relaxed),
            Op::SetBudget(t, budget) => {
                let node = at(t);
                let in_use = self.subtree(node).committed;
                let before = self.nodes[node].budget.status(in_use);
                self.nodes[node].tag.set_budget(budget);
                self.nodes[node].budget = budget;
                self.forget(|_, n| n == node);
                match (before, budget.status(in_use)) {
                    (BudgetStatus::Over(_), BudgetStatus::Ok) => {}
                    (BudgetStatus::Over(_), _) => self.nodes[node].told_warning = true,
                    (_, BudgetStatus::Over(_)) => self.nodes[node].told_limit = false,
                    (BudgetStatus::Ok, BudgetStatus::Warning) => self.nodes[node].told_warning = false,
                    _ => {}
                }
                self.hear(|_, n| n == node);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_ledger_agrees_with_a_naive_tree(ops in ops()) {
        let ledger = ledger();
        let mut model = Model::default();
        ledger.register("a").unwrap();
        model.learn(ledger);
        for op in &ops {
            model.step(ledger, op);
            model.check(ledger);
        }
        prop_assert_eq!(ledger.callback_panics(), 0);
    }
}
