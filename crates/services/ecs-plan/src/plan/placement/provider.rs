//! Which capacity provider of a strategy the next task goes to.
//!
//! "The base value designates how many tasks, at a minimum, to run on the specified capacity
//! provider. The weight value designates the relative percentage of the total number of tasks"
//! (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html>):
//! bases are filled first, in order; what is beyond them is shared by weight.

use std::cmp::Ordering;

/// One item of a capacity provider strategy, and what runs there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub provider: String,
    pub base: u32,
    /// 0: nothing beyond the base.
    pub weight: u32,
    /// Tasks of the service or the call that the provider has now.
    pub tasks: u32,
}

impl Share {
    /// Tasks beyond the base.
    fn beyond(&self) -> u32 {
        self.tasks.saturating_sub(self.base)
    }
}

/// The item whose provider gets the next task: the first whose base is not reached, else the
/// one with the fewest tasks for its weight (the first when equal). `None` when no item has a
/// weight and all bases are reached.
pub fn next(strategy: &[Share]) -> Option<&Share> {
    let short = strategy.iter().find(|s| s.tasks < s.base);
    short.or_else(|| {
        let weighted = strategy.iter().filter(|s| s.weight > 0);
        weighted.reduce(|least, s| {
            match per_weight((s.beyond(), s.weight), (least.beyond(), least.weight)) {
                Ordering::Less => s,
                Ordering::Equal | Ordering::Greater => least,
            }
        })
    })
}

/// The item whose provider loses a task first: the one that [`next`] would have chosen last.
/// A base is given up only when nothing is left beyond the bases, the last item's first.
pub fn surplus(strategy: &[Share]) -> Option<&Share> {
    let beyond = strategy.iter().filter(|s| s.beyond() > 0);
    let latest = beyond.reduce(|latest, s| {
        match per_weight(
            (s.beyond() - 1, s.weight),
            (latest.beyond() - 1, latest.weight),
        ) {
            Ordering::Less => latest,
            Ordering::Equal | Ordering::Greater => s,
        }
    });
    latest.or_else(|| strategy.iter().rev().find(|s| s.tasks > 0))
}

/// Compares tasks / weight; a weight of 0 is more than any other.
fn per_weight(left: (u32, u32), right: (u32, u32)) -> Ordering {
    let product =
        |(tasks, _): (u32, u32), (_, weight): (u32, u32)| u64::from(tasks) * u64::from(weight);
    (left.1 == 0)
        .cmp(&(right.1 == 0))
        .then_with(|| product(left, right).cmp(&product(right, left)))
}
