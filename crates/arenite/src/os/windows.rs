//! The contract on Windows.
