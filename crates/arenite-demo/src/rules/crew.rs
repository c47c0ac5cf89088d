//! Who lives: agents by slot and by name.
//!
//! A slot is a place that another agent takes once the first has died; a [`Name`] is one agent's for good. Whatever is
//! remembered for longer than a frame (a target, who shot) is a name, and resolves to nobody once its agent is dead.

use super::agent::Agent;

/// Names one agent of a scene: the slot it lives in, and how often that slot had been given out. In memory it is a handle,
/// here it is only a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Name(u64);

impl Name {
    /// Resolves to nobody.
    pub const NOBODY: Self = Self(0);

    /// The name with these bits: the slot in the lower half, and not zero in the upper one.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits; 0 for nobody.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The slot of whom it names.
    #[inline]
    pub const fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// The living agents of a scene. Each world keeps them in its own way, but gives out slots in the same order: the one that
/// was left last first, and before any has been left, 0, 1, 2 and so on.
pub trait Crew: Sync {
    /// Why there is no room for one more.
    type Refused;

    /// Every occupied slot is below this.
    fn slots(&self) -> usize;
    /// How many live.
    fn len(&self) -> usize;
    /// Whether nobody does.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Who lives in a slot.
    fn at(&self, slot: u32) -> Option<&Agent>;
    /// The name of who lives in a slot; [`Name::NOBODY`] when it is empty.
    fn name(&self, slot: u32) -> Name;
    /// Who has a name, if it still lives.
    fn find(&self, name: Name) -> Option<&Agent>;
    /// The same, to be changed.
    fn find_mut(&mut self, name: Name) -> Option<&mut Agent>;
    /// Visits all by slot, from the lowest.
    fn each<'a>(&'a self) -> impl Iterator<Item = (u32, &'a Agent)>
    where
        Agent: 'a;
    /// Takes one more.
    ///
    /// # Errors
    /// There is no room.
    fn join(&mut self, agent: Agent) -> Result<Name, Self::Refused>;
    /// Removes an agent; its name resolves to nobody from now on.
    fn leave(&mut self, name: Name) -> Option<Agent>;
}
