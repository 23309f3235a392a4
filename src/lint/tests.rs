//! The rules against their cases.
