//! What the derive makes of all kinds of structs, and what an implementation by hand can not do.

use std::string::ToString;
use std::vec;

use super::*;

#[derive(Soa, Clone, Debug, PartialEq)]
#[soa(crate = "crate", derive(Debug, PartialEq))]
struct Place<N>
where
    N: Copy,
{
    x: N,
    y: N,
}

#[derive(Soa, Clone, Debug, PartialEq)]
#[soa(crate = "crate")]
#[soa(derive(Debug))]
struct Body<N: Copy, const K: usize = 2>
where
    [N; K]: Clone,
{
    #[soa(nested)]
    at: Place<N>,
    /// One of its own kind: `Self` is the row's struct in views, too.
    parent: Option<Handle<Self>>,
    #[soa(nested)]
    pair: Pair,
    r#type: [N; K],
}

#[derive(Soa, Clone, Debug, PartialEq)]
#[soa(crate = "crate", derive(Debug))]
struct Pair(u8, #[soa(nested)] Place<u16>);

#[test]
fn nested_generic_and_tuple_structs_become_flat_columns() {
    type Fields = <Body<f32, 3> as Soa>::Fields;
    assert_eq!(
        (<Fields as super::Fields>::COUNT, <Fields as super::Fields>::BYTES),
        (7, 4 + 4 + 8 + 1 + 2 + 2 + 12)
    );
    let body = |x: f32| Body::<f32, 3> {
        at: Place { x, y: 2.0 * x },
        parent: None,
        pair: Pair(x as u8, Place { x: 1, y: 2 }),
        r#type: [x; 3],
    };
    let mut bodies: Columns<Body<f32, 3>> = Columns::try_new(fresh_tag(), 100).unwrap();
    let first = bodies.push(body(1.0));
    let second = bodies.push(Body { parent: Some(first), ..body(2.0) });
    let columns = bodies.columns_mut();
    for (x, y) in columns.at.x.iter_mut().zip(&*columns.at.y) {
        *x += y;
    }
    columns.pair.1.y.fill(7);
    assert_eq!(bodies.columns().at.x, [3.0, 6.0]);
    let row = bodies.get(second).unwrap();
    assert_eq!((*row.parent, *row.pair.0, *row.pair.1.y, row.r#type), (Some(first), 2, 7, &[2.0; 3]));
    *bodies.get_mut(second).unwrap().at.y = 9.0;
    let copy = bodies.cloned(second).unwrap();
    let removed = bodies.remove(second).unwrap();
    assert_eq!(removed, copy);
    let at = Place { x: 6.0, y: 9.0 };
    assert_eq!(removed, Body { at, parent: Some(first), pair: Pair(2, Place { x: 1, y: 7 }), ..body(2.0) });
    let text = std::format!("{:?}", bodies.get(first).unwrap());
    assert!(text.contains("at: PlaceRef { x: 3.0, y: 2.0 }"), "{text}");
}

/// Takes itself apart one way, and puts itself together another.
#[derive(Debug, PartialEq)]
struct Liar(u32, std::string::String);

impl Soa for Liar {
    type Fields = (Leaf<std::string::String>, (Leaf<u32>, Leaf<vec::Vec<u8>>));
    type Ref<'a> = &'a u32;
    type Mut<'a> = ();
    type Slices<'a> = (&'a [u32], &'a [u32]);
    type SlicesMut<'a> = &'a mut [u32];

    fn into_fields(self) -> Self::Fields {
        (Leaf(self.1), (Leaf(self.0), Leaf(vec![1, 2])))
    }

    fn from_fields((text, _): Self::Fields) -> Self {
        Self(7, text.0 + "!")
    }

    fn view<'a>((_, (number, _)): <Self::Fields as Fields>::Refs<'a>) -> &'a u32 {
        number
    }

    fn view_mut<'a>((text, (number, list)): <Self::Fields as Fields>::Muts<'a>) -> Self::Mut<'a> {
        core::mem::take(text);
        core::mem::take(number);
        list.clear();
    }

    fn slices<'a>((_, (numbers, _)): <Self::Fields as Fields>::Slices<'a>) -> Self::Slices<'a> {
        (numbers, numbers)
    }

    fn slices_mut<'a>((_, (numbers, _)): <Self::Fields as Fields>::SlicesMut<'a>) -> &'a mut [u32] {
        numbers
    }
}

#[test]
fn an_implementation_by_hand_can_be_wrong_and_nothing_worse() {
    let mut liars: Columns<Liar> = Columns::try_new(fresh_tag(), 100).unwrap();
    let handles = [1, 2, 3].map(|number| liars.push(Liar(number, "x".to_string())));
    assert_eq!(liars.columns(), (&[1, 2, 3][..], &[1, 2, 3][..]));
    assert_eq!(liars.get_mut(handles[1]), Some(()));
    assert_eq!(liars.remove(handles[0]), Some(Liar(7, "x!".to_string())));
    assert_eq!(liars.remove(handles[1]), Some(Liar(7, "!".to_string())));
    liars.columns_mut().fill(5);
    assert_eq!(liars.get(handles[2]), Some(&5));
    liars.check();
}
