//! What this stage promises.
