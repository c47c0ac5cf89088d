//! Agents in vectors: slots, how often each was given out, and which are free.

use std::convert::Infallible;

use crate::rules::agent::Agent;
use crate::rules::crew::{Crew, Name};

/// What one writes without a pool: a vector of slots, how often each was given out, and a list of those that are free.
#[derive(Debug, Default)]
pub struct Slots {
    agents: Vec<Option<Agent>>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

impl Slots {
    /// Nobody, and room for `count` without another call of the heap.
    pub fn with_capacity(count: usize) -> Self {
        Self {
            agents: Vec::with_capacity(count),
            generations: Vec::with_capacity(count),
            free: Vec::with_capacity(count),
        }
    }

    fn slot(&self, name: Name) -> Option<usize> {
        let slot = name.slot() as usize;
        let generation = self.generations.get(slot)?;
        (u64::from(*generation) == name.bits() >> 32).then_some(slot)
    }
}

impl Crew for Slots {
    type Refused = Infallible;

    fn slots(&self) -> usize {
        self.agents.len()
    }

    fn len(&self) -> usize {
        self.agents.len() - self.free.len()
    }

    fn at(&self, slot: u32) -> Option<&Agent> {
        self.agents.get(slot as usize)?.as_ref()
    }

    fn name(&self, slot: u32) -> Name {
        match self.at(slot) {
            Some(_) => Name::from_bits(u64::from(self.generations[slot as usize]) << 32 | u64::from(slot)),
            None => Name::NOBODY,
        }
    }

    fn find(&self, name: Name) -> Option<&Agent> {
        self.agents[self.slot(name)?].as_ref()
    }

    fn find_mut(&mut self, name: Name) -> Option<&mut Agent> {
        let slot = self.slot(name)?;
        self.agents[slot].as_mut()
    }

    fn each<'a>(&'a self) -> impl Iterator<Item = (u32, &'a Agent)>
    where
        Agent: 'a,
    {
        (0..).zip(&self.agents).filter_map(|(slot, agent)| Some((slot, agent.as_ref()?)))
    }

    fn join(&mut self, agent: Agent) -> Result<Name, Infallible> {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.agents[slot as usize] = Some(agent);
                slot
            }
            None => {
                self.agents.push(Some(agent));
                self.generations.push(1);
                self.agents.len() as u32 - 1
            }
        };
        Ok(self.name(slot))
    }

    fn leave(&mut self, name: Name) -> Option<Agent> {
        let slot = self.slot(name)?;
        let agent = self.agents[slot].take()?;
        self.generations[slot] += 1;
        self.free.push(slot as u32);
        Some(agent)
    }
}
