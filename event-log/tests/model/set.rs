//! A set of commands in a byte.

use crate::record::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Set(u8);

impl Set {
    pub const EMPTY: Self = Self(0);

    pub fn has(self, command: Command) -> bool {
        self.0 & (1 << command) != 0
    }

    #[must_use]
    pub fn with(self, command: Command) -> Self {
        Self(self.0 | 1 << command)
    }

    #[must_use]
    pub fn without(self, command: Command) -> Self {
        Self(self.0 & !(1 << command))
    }

    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = Command> {
        (0..8).filter(move |command| self.has(*command))
    }
}

impl FromIterator<Command> for Set {
    fn from_iter<I: IntoIterator<Item = Command>>(commands: I) -> Self {
        commands.into_iter().fold(Self::EMPTY, Self::with)
    }
}
