//! The formation: how many dynos of each process type are wanted, and of what size.

use super::dyno::DynoSize;
use super::process_type::ProcessType;
use std::collections::BTreeMap;

/// Quantity and size of one process type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// How many dynos.
    pub quantity: u32,
    /// Their size.
    pub size: DynoSize,
}

/// What is wanted, by process type. `release` never stands in it (R9).
pub type Formation = BTreeMap<ProcessType, Scale>;

/// `web@2:Standard-1X worker@1:Basic`, as the scale line of R6.2 prints it.
pub fn describe(formation: &Formation) -> String {
    let words: Vec<String> = formation.iter().map(|(t, s)| format!("{t}@{}:{}", s.quantity, s.size.name)).collect();
    words.join(" ")
}
