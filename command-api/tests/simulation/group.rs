//! The consumer group: who should own the partition, and who still believes to.

use std::collections::BTreeSet;

#[derive(Debug, Default)]
pub struct Group {
    pub generation: i32,
    pub owner: Option<usize>,
    /// Members that were assigned the partition and have not heard otherwise.
    pub believers: BTreeSet<usize>,
}

impl Group {
    pub fn give(&mut self, member: usize) {
        self.generation += 1;
        self.owner = Some(member);
    }
}
