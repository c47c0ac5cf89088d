//! Agents that refer to each other by handle: targets that die, jobs that spawn, a saved game that goes on.
//!
//! `cargo run --release -p arenite --example handles`

use std::error::Error;

use arenite::{Handle, HandlePool, Secondary, Tag};

#[derive(Debug)]
struct Agent {
    health: i32,
    strength: i32,
    target: Option<Handle<Agent>>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("agents")?;
    // Address space for a hundred thousand; memory for those that there are.
    let mut agents = HandlePool::try_new(tag, 100_000)?;
    let mut names = Secondary::try_new(tag, 100_000)?;

    // Each fights the one before it.
    let mut last = None;
    for number in 0..1000 {
        let agent = agents.insert(Agent { health: 20 + number % 50, strength: 1 + number % 7, target: last });
        if number % 100 == 0 {
            names.insert(agent, format!("captain {}", number / 100))?;
        }
        last = Some(agent);
    }

    let mut lost_targets = 0;
    for round in 1..=30 {
        let all: Vec<Handle<Agent>> = agents.handles().collect();
        for handle in all {
            let Some(target) = agents[handle].target else { continue };
            match agents.get_disjoint_mut([handle, target]) {
                Ok([agent, target]) => target.health -= agent.strength,
                // It died, and perhaps another agent stands in its slot by now: its handle knows.
                Err(_) => {
                    agents[handle].target = None;
                    lost_targets += 1;
                }
            }
        }
        let before = agents.len();
        agents.retain(|_, agent| agent.health > 0);
        names.retain_in(&agents);

        // Recruits get their handles from several threads while everybody can still be looked at, and their values after
        // that.
        let dead = before - agents.len();
        let pool = &agents;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(move || (0..dead / 4).for_each(|_| _ = pool.reserve()));
            }
        });
        let recruits = agents.flush(|_| Agent { health: 10, strength: round % 5, target: last });
        assert_eq!(recruits, dead / 4 * 2);
    }
    println!("{} agents left, {lost_targets} lost their target, captains: {}", agents.len(), names.len());
    for (handle, name) in names.iter().take(3) {
        println!("  {name} ({handle:?}): {:?}", agents[handle]);
    }
    let stats = agents.stats();
    println!("{} slots, {} bytes committed of {}", stats.slots, stats.committed, stats.address_space);
    agents.clear();
    agents.try_trim()?;
    println!("cleared: {} bytes committed", agents.committed());
    Ok(())
}
