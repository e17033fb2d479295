//! `nnc explain`: the page of a code.

use nnc_grammar::diagnostic::{all_codes, closest};

use crate::embedded::PAGES;
use crate::output::{Output, print};
use crate::source::Failure;

/// Shows the page of a code.
pub fn run(code: &str, output: &Output) -> Result<(), Failure> {
    let code = code.trim().trim_start_matches("error[").trim_end_matches(']').to_uppercase();
    if let Some((_, page)) = PAGES.iter().find(|(known, _)| *known == code) {
        print(page);
        return Ok(());
    }
    output.status(&format!("no code `{code}`"));
    let known = all_codes().iter().map(|code| code.as_str());
    match closest(&code, known) {
        Some(known) => output.status(&format!("did you mean `{known}`?")),
        None => output.status("codes are `E0101` and the like; a message shows its code in brackets"),
    }
    Err(Failure::Reported)
}
