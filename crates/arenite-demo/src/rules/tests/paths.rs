//! A* against Dijkstra without any cleverness.

use super::{Plan, Unsorted};
use crate::rules::grid::{Cell, Grid};
use crate::rules::path::{self, DIAGONAL, Node, STRAIGHT};
use proptest::prelude::*;

/// What the cheapest way from `from` to every cell costs: relaxes all steps until nothing changes any more.
fn costs(grid: &Grid<'_>, from: Cell) -> Vec<Option<u32>> {
    let mut costs = vec![None; grid.cells.len()];
    let (column, row) = grid.shape.column_row(from);
    costs[from as usize] = grid.is_open(column, row).then_some(0);
    let mut changed = true;
    while changed {
        changed = false;
        for cell in 0..grid.cells.len() {
            let Some(cost) = costs[cell] else { continue };
            for (next, price) in steps(grid, cell as Cell) {
                let better = costs[next as usize].is_none_or(|known| cost + price < known);
                if better {
                    costs[next as usize] = Some(cost + price);
                    changed = true;
                }
            }
        }
    }
    costs
}

/// Where one can go from a cell, and what it costs.
fn steps(grid: &Grid<'_>, cell: Cell) -> Vec<(Cell, u32)> {
    let (x, y) = grid.shape.column_row(cell);
    let mut steps = Vec::new();
    for (dx, dy) in (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (dx, dy))) {
        let free = grid.is_open(x + dx, y + dy) && grid.is_open(x + dx, y) && grid.is_open(x, y + dy);
        if free && (dx, dy) != (0, 0) {
            let price = if dx != 0 && dy != 0 { DIAGONAL } else { STRAIGHT };
            steps.push((grid.shape.cell(x + dx, y + dy).expect("free cells are inside"), price));
        }
    }
    steps
}

fn find(grid: &Grid<'_>, from: Cell, to: Cell) -> Option<(u32, Vec<Cell>)> {
    let mut nodes = vec![Node::default(); path::NODES];
    let mut open = Unsorted::default();
    let found = path::search(grid, from, to, &mut nodes, &mut open)?;
    let mut way = vec![0; found.steps];
    found.write(grid, &nodes, &mut way);
    Some((found.cost, way))
}

proptest! {
    #[test]
    fn the_way_is_the_cheapest(
        walls in proptest::collection::vec(any::<u32>(), 20),
        more in proptest::collection::vec(any::<u32>(), 20),
        from in 0_u32..400,
        to in 0_u32..400,
    ) {
        let plan = Plan::new(20, 20, |x, y| walls[y as usize] & more[y as usize] >> x & 1 == 1);
        let grid = plan.grid();
        let found = find(&grid, from, to);
        prop_assert_eq!(found.as_ref().map(|(cost, _)| *cost), costs(&grid, from)[to as usize]);
        if let Some((cost, way)) = found {
            let (mut at, mut paid) = (from, 0);
            for next in way {
                let price = steps(&grid, at).iter().find(|(cell, _)| *cell == next).map(|(_, price)| *price);
                prop_assert!(price.is_some(), "{} to {} is no step", at, next);
                paid += price.unwrap_or(0);
                at = next;
            }
            prop_assert_eq!((at, paid), (to, cost));
        }
    }
}

#[test]
fn a_way_round_and_no_way() {
    let plan = Plan::draw(
        "
        .....
        .###.
        .#.#.
        .###.
        .....",
    );
    let (cost, way) = find(&plan.grid(), plan.cell(0, 2), plan.cell(4, 2)).expect("round it");
    // Two up, four to the right, two down, and no corner cut.
    assert_eq!((cost, way.len()), (8 * STRAIGHT, 8));
    assert_eq!(find(&plan.grid(), plan.cell(0, 0), plan.cell(2, 2)), None);
    assert_eq!(find(&plan.grid(), plan.cell(1, 1), plan.cell(0, 0)), None);
    assert_eq!(find(&plan.grid(), plan.cell(4, 4), plan.cell(4, 4)), Some((0, vec![])));
}

#[test]
fn the_window_is_as_wide_as_it_says() {
    let plan = Plan::new(200, 3, |_, _| false);
    let far =
        |columns| find(&plan.grid(), plan.cell(100, 1), plan.cell(100 + columns, 1)).map(|(cost, _)| cost);
    assert_eq!(far(path::RANGE), Some(path::RANGE as u32 * STRAIGHT));
    assert_eq!(far(-path::RANGE), Some(path::RANGE as u32 * STRAIGHT));
    assert_eq!(far(path::WINDOW as i32), None);
    assert_eq!(find(&plan.grid(), plan.cell(0, 0), plan.cell(3, 2)).map(|(_, way)| way.len()), Some(3));
}

#[test]
fn a_short_list_gets_the_beginning_of_the_way() {
    let plan = Plan::draw("......");
    let mut nodes = vec![Node::default(); path::NODES];
    let found =
        path::search(&plan.grid(), 0, 5, &mut nodes, &mut Unsorted::default()).expect("straight ahead");
    let mut way = [0; 2];
    found.write(&plan.grid(), &nodes, &mut way);
    assert_eq!(way, [1, 2]);
}

#[test]
fn the_longest_way_there_can_be_has_its_cost_right() {
    // A snake through the whole window: columns of free cells, joined at alternating ends.
    let plan = Plan::new(63, 63, |x, y| x % 2 == 1 && if x / 2 % 2 == 0 { y != 62 } else { y != 0 });
    // The window around it is all of the level.
    let from = plan.cell(32, 31);
    let expected = costs(&plan.grid(), from);
    for to in [plan.cell(0, 0), plan.cell(62, 62)] {
        assert_eq!(find(&plan.grid(), from, to).map(|(cost, _)| cost), expected[to as usize]);
        assert!(expected[to as usize].is_some_and(|cost| cost > 4000 && cost < 8000));
    }
}
