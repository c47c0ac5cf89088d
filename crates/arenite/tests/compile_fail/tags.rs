// attack: scope_sent E0277 cannot be s
// attack: scope_shared E0277 cannot be s
// attack: scope_moved_to_a_thread E0277 cannot be s
// attack: nameless E0080 a tag needs a name
//! A scope of a tag stays on its thread; tags and what carries them may travel.

use arenite::{StaticTag, Tag, tags};

tags! {
    /// Declared, with documentation and visibility.
    pub AI = "game/ai";
    SOUND = "game/sound";
}

#[cfg(nameless)]
static NAMELESS: StaticTag = StaticTag::new("");

fn sent<T: Send>() {}
fn shared<T: Sync>() {}

fn main() {
    sent::<Tag>();
    shared::<Tag>();
    shared::<StaticTag>();
    #[cfg(scope_sent)]
    sent::<arenite::TagScope>();
    #[cfg(scope_shared)]
    shared::<arenite::TagScope>();
    let scope = AI.scope();
    #[cfg(scope_moved_to_a_thread)]
    std::thread::spawn(move || drop(scope));
    #[cfg(not(scope_moved_to_a_thread))]
    drop(scope);
    std::thread::spawn(SOUND.carry(|| Tag::current())).join().unwrap();
}
