//! What a build script writes is code of the user's crate, and has that crate's edition.
