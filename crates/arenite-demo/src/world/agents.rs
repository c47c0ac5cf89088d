//! Agents in a handle pool: a name of the rules is the bits of a handle.

use arenite::{AllocError, Handle, HandlePool, PoolOptions, Tag};

use crate::rules::AGENTS;
use crate::rules::agent::Agent;
use crate::rules::crew::{Crew, Name};

/// The living agents of a scene. The pool is the game's, so that its memory goes from scene to scene.
#[derive(Debug)]
pub(super) struct Agents {
    pool: HandlePool<Agent>,
}

impl Agents {
    /// Nobody.
    pub(super) fn try_new(tag: Tag) -> Result<Self, AllocError> {
        let options = PoolOptions::new(tag, AGENTS as usize).prefault(true);
        Ok(Self { pool: HandlePool::try_with(options)? })
    }

    /// Sends everybody away, brings in memory for `count`, and has slots given out from the first again: a scene is the
    /// same whatever was played before.
    pub(super) fn start(&mut self, count: usize) -> Result<(), AllocError> {
        self.pool.try_presize(count)?;
        // A slot that is vacated last is taken first, so each is taken once and vacated from the last to the first.
        while self.pool.len() < self.slots() {
            self.pool.try_insert(Agent::default())?;
        }
        for slot in (0..self.slots() as u32).rev() {
            self.leave(self.name(slot));
        }
        Ok(())
    }

    fn handle(name: Name) -> Option<Handle<Agent>> {
        Handle::from_bits(name.bits())
    }

    /// Tells the ledger how much is in use.
    pub(super) fn publish(&mut self) {
        self.pool.publish();
    }
}

impl Crew for Agents {
    type Refused = AllocError;

    fn slots(&self) -> usize {
        self.pool.stats().slots
    }

    fn len(&self) -> usize {
        self.pool.len()
    }

    fn at(&self, slot: u32) -> Option<&Agent> {
        self.pool.get(self.pool.handle_at(slot)?)
    }

    fn name(&self, slot: u32) -> Name {
        self.pool.handle_at(slot).map_or(Name::NOBODY, |handle| Name::from_bits(handle.to_bits()))
    }

    fn find(&self, name: Name) -> Option<&Agent> {
        self.pool.get(Self::handle(name)?)
    }

    fn find_mut(&mut self, name: Name) -> Option<&mut Agent> {
        self.pool.get_mut(Self::handle(name)?)
    }

    fn each<'a>(&'a self) -> impl Iterator<Item = (u32, &'a Agent)>
    where
        Agent: 'a,
    {
        self.pool.iter().map(|(handle, agent)| (handle.index(), agent))
    }

    fn join(&mut self, agent: Agent) -> Result<Name, AllocError> {
        let handle = self.pool.try_insert(agent)?;
        Ok(Name::from_bits(handle.to_bits()))
    }

    fn leave(&mut self, name: Name) -> Option<Agent> {
        self.pool.remove(Self::handle(name)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::Slots;

    /// Whatever was played before, both worlds give out the same slots.
    #[test]
    fn slots_are_given_out_as_in_the_plain_world() {
        let mut agents = Agents::try_new(Tag::untagged()).expect("memory for a test");
        for seed in [3u32, 5, 7] {
            agents.start(150).expect("memory for a test");
            let mut plain = Slots::default();
            for step in 0..2000u32 {
                let slot = step.wrapping_mul(seed).wrapping_mul(2_654_435_761) >> 24;
                if step % 3 == 0 && agents.at(slot).is_some() {
                    let (ours, theirs) = (agents.name(slot), plain.name(slot));
                    assert!(agents.leave(ours).is_some() && plain.leave(theirs).is_some());
                    assert!(agents.find(ours).is_none() && plain.find(theirs).is_none());
                } else if agents.len() < 150 {
                    let (ours, Ok(theirs)) =
                        (agents.join(Agent::default()).expect("room"), plain.join(Agent::default()));
                    assert_eq!(ours.slot(), theirs.slot());
                }
                assert_eq!(agents.len(), plain.len());
            }
            let [ours, theirs] = [
                agents.each().map(|(slot, _)| slot).collect::<Vec<_>>(),
                plain.each().map(|(slot, _)| slot).collect::<Vec<_>>(),
            ];
            assert_eq!(ours, theirs);
        }
    }
}
