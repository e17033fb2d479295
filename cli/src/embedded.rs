//! What the build put into the program: the runtime's sources, and the pages of the codes.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
