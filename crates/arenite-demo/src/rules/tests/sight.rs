//! Walls as cells, what can be reached, lines of sight: against geometry done another way.

use super::Plan;
use crate::rules::grid::{self, REACHED, SOLID, Shape};
use proptest::prelude::*;

/// Whether a line touches a square, its border included.
fn touches(from: [i64; 2], to: [i64; 2], low: [i64; 2], side: i64) -> bool {
    let high = [low[0] + side, low[1] + side];
    let near =
        (0..2).all(|axis| from[axis].min(to[axis]) <= high[axis] && from[axis].max(to[axis]) >= low[axis]);
    near && !corners_aside(from, to, low, high, |cross| cross > 0)
        && !corners_aside(from, to, low, high, |cross| cross < 0)
}

/// Whether all corners of a rectangle lie on the same side of a line.
fn corners_aside(
    from: [i64; 2],
    to: [i64; 2],
    low: [i64; 2],
    high: [i64; 2],
    aside: impl Fn(i64) -> bool,
) -> bool {
    let corners = [low, high, [low[0], high[1]], [high[0], low[1]]];
    corners.into_iter().all(|corner| {
        let (along, across) =
            ([to[0] - from[0], to[1] - from[1]], [corner[0] - from[0], corner[1] - from[1]]);
        aside(along[0] * across[1] - along[1] * across[0])
    })
}

/// A 12 × 12 level with walls where the bits are set.
fn plan(walls: [u16; 12]) -> Plan {
    Plan::new(12, 12, |x, y| walls[y as usize] >> x & 1 == 1)
}

/// About a quarter of the bits are set.
fn sparse() -> impl Strategy<Value = [u16; 12]> {
    (any::<[u16; 12]>(), any::<[u16; 12]>()).prop_map(|(a, b)| std::array::from_fn(|i| a[i] & b[i]))
}

proptest! {
    #[test]
    fn sight_is_symmetric_and_exact(walls in sparse(), a in (0..12, 0..12), b in (0..12, 0..12)) {
        let plan = plan(walls);
        let (from, to) = (plan.cell(a.0, a.1), plan.cell(b.0, b.1));
        let seen = plan.grid().sees(from, to);
        prop_assert_eq!(seen, plan.grid().sees(to, from));
        let middle = |(x, y): (i32, i32)| [2 * i64::from(x) + 1, 2 * i64::from(y) + 1];
        let blocked = (0..144_i64).filter(|&cell| plan.cells[cell as usize] & SOLID != 0).any(|cell| {
            touches(middle(a), middle(b), [2 * (cell % 12), 2 * (cell / 12)], 2)
        });
        prop_assert_eq!(seen, !blocked);
    }

    #[test]
    fn a_wall_is_where_its_line_is(from in any::<[i8; 2]>(), to in any::<[i8; 2]>()) {
        let shape = Shape { left: -150, bottom: -140, side: 7, width: 50, height: 50 };
        let mut cells = vec![0; shape.cells()];
        grid::add_wall(shape, &mut cells, from.map(i16::from), to.map(i16::from));
        let (from, to) = (from.map(i64::from), to.map(i64::from));
        for (cell, &flags) in cells.iter().enumerate() {
            let (column, row) = shape.column_row(cell as u32);
            let low = [i64::from(shape.left + column * 7), i64::from(shape.bottom + row * 7)];
            // Ten times finer, the inside of a cell is what is left without a thin rim.
            let inside = touches(
                from.map(|v| v * 10), to.map(|v| v * 10), [low[0] * 10 + 1, low[1] * 10 + 1], 68,
            );
            let solid = flags & SOLID != 0;
            prop_assert!(!inside || solid, "the line crosses cell {} and left it free", cell);
            prop_assert!(!solid || touches(from, to, low, 7), "cell {} is nowhere near", cell);
        }
    }

    #[test]
    fn nobody_walks_through_a_wall(heights in proptest::collection::vec(20_i16..180, 2..9)) {
        let shape = Shape { left: 0, bottom: 0, side: 10, width: 20, height: 20 };
        let mut cells = vec![0; shape.cells()];
        let step = 199 / (heights.len() as i16 - 1);
        let mut corners: Vec<[i16; 2]> =
            heights.iter().enumerate().map(|(i, &y)| [i as i16 * step, y]).collect();
        corners.last_mut().expect("two at least")[0] = 199;
        for pair in corners.windows(2) {
            grid::add_wall(shape, &mut cells, pair[0], pair[1]);
        }
        let mut queue = vec![0; shape.cells()];
        let reach = grid::flood(shape, &mut cells, 0, &mut queue);
        prop_assert!(reach.leaks && reach.count >= 20);
        prop_assert!(cells[19 * 20..].iter().all(|&flags| flags == 0), "the north is cut off");
        prop_assert!(queue[..reach.count].iter().all(|&cell| cells[cell as usize] == REACHED));
    }
}

#[test]
fn corners_need_both_cells_beside_them() {
    let plan = Plan::draw("..\n..");
    assert!(plan.grid().sees(plan.cell(0, 0), plan.cell(1, 1)));
    let plan = Plan::draw(".#\n..");
    assert!(plan.grid().sees(plan.cell(0, 0), plan.cell(1, 0)));
    let plan = Plan::draw("#.\n..");
    assert!(!plan.grid().sees(plan.cell(0, 0), plan.cell(1, 1)));
}

#[test]
fn grids_stay_small() {
    use crate::wad::Bounds;
    let huge = Bounds { left: i16::MIN, bottom: i16::MIN, right: i16::MAX, top: i16::MAX };
    let tiny = Bounds { left: 5, bottom: 5, right: 5, top: 5 };
    for bounds in
        [huge, tiny, Bounds { top: i16::MAX, ..tiny }, Bounds { right: 16_000, bottom: -99, ..tiny }]
    {
        let shape = Shape::over(bounds);
        assert!(
            shape.width <= grid::LONGEST && shape.height <= grid::LONGEST && shape.side >= 32,
            "{shape:?}"
        );
        // Everything inside the bounds has a cell that is not on the rim.
        for (x, y) in [(bounds.left, bounds.bottom), (bounds.right, bounds.top), (bounds.left, bounds.top)] {
            let (column, row) = shape.place(crate::rules::math::Point::of_map(x, y));
            assert!((1..shape.width as i32 - 1).contains(&column), "{shape:?} {column}");
            assert!((1..shape.height as i32 - 1).contains(&row), "{shape:?} {row}");
        }
    }
    assert_eq!(Shape::over(Bounds { right: 16_000, ..tiny }).side, 32);
}
