//! What happened in a scene.

/// What happened in a scene so far, for the curious.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Projectiles that were shot.
    pub shots: u64,
    /// Projectiles and particles that were not made because there was no room.
    pub refused: u64,
    /// Projectiles that hit somebody.
    pub hits: u64,
    /// Agents that died.
    pub deaths: u64,
    /// Agents that came back to life.
    pub respawns: u64,
    /// Paths that were found.
    pub paths: u64,
    /// Names that resolved to nobody: targets, and shooters of projectiles that hit, who had died meanwhile.
    pub stale: u64,
}
