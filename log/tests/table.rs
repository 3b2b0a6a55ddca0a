//! `docs/recovery.md` is the contract: every row of its tables names the tests that hold it, and they are
//! there.

use std::path::Path;

#[test]
fn every_row_of_the_recovery_table_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("../docs/recovery.md")).unwrap();
    let (mut rows, mut in_table) = (0, false);
    for line in text.lines() {
        if !line.starts_with('|') {
            in_table = false;
            continue;
        }
        let last = line.trim_end_matches('|').rsplit('|').next().unwrap_or("").trim();
        if !in_table {
            assert_eq!(last, "test", "a table without tests: {line}");
            in_table = true;
            continue;
        }
        if last.starts_with("---") {
            continue;
        }
        let named: Vec<&str> = last.split('`').filter(|word| word.contains("::")).collect();
        assert!(!named.is_empty(), "a row without a test: {line}");
        for name in named {
            // `torn::name` is a test of this crate, `cli: prune::name` one of another.
            let (tests, named) = match name.split_once(": ") {
                None => ("tests", name),
                Some(("cli", named)) => ("../cli/tests/cli", named),
                Some(("projections", named)) => ("../projections/tests", named),
                Some((other, _)) => panic!("{other} has no tests that are known here: {line}"),
            };
            let (file, test) = named.split_once("::").unwrap();
            let source = std::fs::read_to_string(root.join(format!("{tests}/{file}.rs")));
            let source = source.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(source.contains(&format!("fn {test}(")), "{name} is not there: {line}");
        }
        rows += 1;
    }
    assert!(rows > 40, "{rows} rows only");
}
