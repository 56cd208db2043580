//! Operations through their table.
