//! What the fuzzers have kept, and a few thousand random inputs more, with the stable compiler.

use std::path::Path;

use proptest::prelude::*;
use sm_log::fuzzing;

fn replay(target: &str, run: fn(&[u8])) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        run(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0, "no corpus for {target}");
}

#[test]
fn the_corpus_is_digested() {
    replay("frame", fuzzing::frame);
    replay("footer", fuzzing::footer);
    replay("block", fuzzing::block);
    replay("trim", fuzzing::trim);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn anything_is_digested(bytes in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => 0u8..8, 1 => any::<u8>()], 0..300)) {
        fuzzing::frame(&bytes);
        fuzzing::footer(&bytes);
        fuzzing::block(&bytes);
        fuzzing::trim(&bytes);
    }
}
