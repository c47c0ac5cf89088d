// attack: two_rows_at_once E0499
// attack: a_push_while_a_column_is_borrowed E0499
// attack: a_row_kept_over_a_removal E0502
// attack: handle_of_another_type E0308
// attack: longer_column E0599 no method named `push`
// attack: not_send E0277 cannot be sent between threads safely
// attack: not_sync E0277 cannot be shared between threads safely
// attack: outlives_the_columns E0505
// attack: drained_over_the_end E0505
// attack: of_an_enum - `Soa` is for structs: the rows of an enum
// attack: of_a_union - `Soa` is for structs: a union
// attack: of_nothing - a struct without fields has no columns
// attack: borrows - columns own what is in them
// attack: unknown_word - not known here: a field has `nested`
// attack: unknown_word_of_a_struct - not known here: a struct has `crate = "…"` and `derive(…)`
// attack: nested_on_a_struct - `nested` belongs on a field
// attack: nested_twice - `nested` is given twice
// attack: copy_of_mutable_views - shared views are `Clone` and `Copy` in any case
// attack: nested_without_columns E0277 the fields of `f32` are no columns
// attack: no_columns_at_all E0277 the fields of `u8` are no columns
// attack: with_a_destructor E0509
// attack: secret_field E0616
// attack: fields_of_ones_own E0277 `u8: Fields` is not satisfied
//! Columns keep their length while they are borrowed, and handles their type; the derive says what it can not do.
#![forbid(unsafe_code)]

use arenite::{Columns, Handle, Soa, Tag};

#[derive(Soa)]
struct Particle {
    pos: [f32; 3],
    life: f32,
}

#[derive(Soa)]
struct Agent {
    life: f32,
}

#[derive(Soa)]
struct Shared {
    value: std::sync::Arc<u8>,
}

#[derive(Soa)]
struct Local {
    value: std::rc::Rc<u8>,
}

#[cfg(nested_without_columns)]
#[derive(Soa)]
struct Outer {
    #[soa(nested)]
    life: f32,
}

mod other {
    #[derive(arenite::Soa)]
    pub struct Half {
        pub open: u8,
        secret: u8,
    }

    impl Half {
        pub fn new() -> Self {
            Self { open: 1, secret: 2 }
        }
    }
}

#[cfg(of_an_enum)]
#[derive(Soa)]
enum Kind {
    One(u8),
}

#[cfg(of_a_union)]
#[derive(Soa)]
union Either {
    one: u8,
}

#[cfg(of_nothing)]
#[derive(Soa)]
struct Nothing;

#[cfg(borrows)]
#[derive(Soa)]
struct Borrowing<'a> {
    text: &'a str,
}

#[cfg(unknown_word)]
#[derive(Soa)]
struct Unknown {
    #[soa(aligned)]
    value: u8,
}

#[cfg(unknown_word_of_a_struct)]
#[derive(Soa)]
#[soa(rename)]
struct Unknown {
    value: u8,
}

#[cfg(nested_on_a_struct)]
#[derive(Soa)]
#[soa(nested)]
struct Nested {
    value: u8,
}

#[cfg(nested_twice)]
#[derive(Soa)]
struct Twice {
    #[soa(nested, nested)]
    value: Agent,
}

#[cfg(copy_of_mutable_views)]
#[derive(Soa)]
#[soa(derive(Copy))]
struct Copied {
    value: u8,
}

#[cfg(with_a_destructor)]
#[derive(Soa)]
struct Dropped {
    value: String,
}

#[cfg(with_a_destructor)]
impl Drop for Dropped {
    fn drop(&mut self) {}
}

fn count<F: arenite::pool::soa::Fields>() -> usize {
    F::COUNT
}

#[cfg(no_columns_at_all)]
fn nothing(_: Columns<u8>) {}

fn particle() -> Particle {
    Particle { pos: [0.0; 3], life: 1.0 }
}

fn main() {
    let tag = Tag::untagged();
    let mut particles = Columns::try_new(tag, 100).unwrap();
    let first: Handle<Particle> = particles.push(particle());
    let second = particles.push(particle());
    let mut agents = Columns::try_new(tag, 100).unwrap();
    let agent = agents.push(Agent { life: 1.0 });
    assert!(agents.get(agent).is_some());
    #[cfg(handle_of_another_type)]
    assert!(agents.get(first).is_none());

    let row = particles.get_mut(first).unwrap();
    #[cfg(two_rows_at_once)]
    let other = particles.get_mut(second).unwrap();
    *row.life = 2.0;
    #[cfg(two_rows_at_once)]
    {
        *other.life = 2.0;
        *row.life = 3.0;
    }

    let columns = particles.columns_mut();
    #[cfg(a_push_while_a_column_is_borrowed)]
    particles.push(particle());
    #[cfg(longer_column)]
    columns.life.push(1.0);
    columns.life[0] = 4.0;
    columns.pos[1] = [1.0; 3];

    let kept = particles.get(first).unwrap();
    #[cfg(a_row_kept_over_a_removal)]
    particles.remove(second);
    assert_eq!(*kept.life, 4.0);
    particles.remove(second);

    let mut shared = Columns::try_new(tag, 10).unwrap();
    shared.push(Shared { value: 7.into() });
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(*shared.columns().value[0], 7));
    });
    std::thread::spawn(move || shared.clear()).join().unwrap();
    let mut locals = Columns::try_new(tag, 10).unwrap();
    locals.push(Local { value: 7.into() });
    #[cfg(not_sync)]
    std::thread::scope(|threads| {
        threads.spawn(|| assert_eq!(*locals.columns().value[0], 7));
    });
    #[cfg(not_send)]
    std::thread::spawn(move || locals.clear()).join().unwrap();

    assert_eq!(count::<<Particle as Soa>::Fields>(), 2);
    #[cfg(fields_of_ones_own)]
    assert_eq!(count::<u8>(), 1);

    let mut halves = Columns::try_new(tag, 10).unwrap();
    halves.push(other::Half::new());
    assert_eq!(halves.columns().open, [1]);
    #[cfg(secret_field)]
    assert_eq!(halves.columns().secret, [2]);

    let life = particles.columns().life;
    assert_eq!(life, [4.0]);
    #[cfg(drained_over_the_end)]
    let drain = particles.drain();
    drop(particles);
    #[cfg(outlives_the_columns)]
    assert_eq!(life, [4.0]);
    #[cfg(drained_over_the_end)]
    drop(drain);
}
