//! What the compiler says about faults in `network!`, and on which token.

#[test]
fn faults_are_told_on_their_tokens() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
}
