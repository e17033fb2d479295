//! stub
/// The name of `known` that is closest to `found`, if it is close enough to be meant.
pub fn closest<'a>(_found: &str, _known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> { None }
