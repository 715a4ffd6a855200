//! The laws of every port, as plain async functions over `&dyn Port`.
