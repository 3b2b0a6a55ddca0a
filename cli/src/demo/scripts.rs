//! What the actors do, in the scripted model's own words.

/// An actor that the user starts.
pub struct Actor {
    /// What it is called.
    pub name: &'static str,
    /// Its first input: its script.
    pub prompt: String,
    /// When it asks.
    pub approval: &'static str,
    /// Whether its first turn is to plan, where it may ask questions.
    pub plan: bool,
}

/// How many sessions there are in the end, all of them the lead's family.
pub const CAST: usize = 6;

/// The lead, an agent that starts three others by the tools that sm gives it.
pub fn lead() -> Actor {
    let child = |name: &str, approval: &str, prompt: &str| {
        let arguments = serde_json::json!({"name": name, "approval": approval, "prompt": prompt});
        format!("dyn: sm_spawn {arguments}")
    };
    let prompt = [
        "Write the report, with help.".to_owned(),
        "think: 25 40".to_owned(),
        "run: ls -la".to_owned(),
        "say: I split the work among four agents.".to_owned(),
        child("builder", "never", BUILDER),
        child("careful", "untrusted", CAREFUL),
        child("flaky", "never", FLAKY),
        child("tester", "never", TESTER),
        "slow: 20 60".to_owned(),
        "dyn: sm_wait {\"sessions\": [\"builder\", \"flaky\", \"tester\"]}".to_owned(),
        "dyn: sm_result {\"session\": \"builder\"}".to_owned(),
        "run: cat report.md".to_owned(),
        "say: The builder says: {{2.result}} One agent failed, and I can live with that."
            .to_owned(),
    ];
    Actor { name: "lead", prompt: prompt.join("\n"), approval: "never", plan: false }
}

/// One that asks the user a question.
pub fn planner() -> Actor {
    let prompt = "Plan the report.\nthink: 20 40\nask: tone=Which tone? [formal|cheerful]\n\
                  say: Thank you, that settles it.";
    Actor { name: "planner", prompt: prompt.to_owned(), approval: "never", plan: true }
}

const BUILDER: &str = "\
Build the report.
think: 20 50
run: printf 'one\\ntwo\\nthree\\n' > notes.txt; sleep 1; wc -l notes.txt
patch: report.md<<<
# Report

Three notes were taken.
>>>
slow: 20 60
run: sleep 2; cat report.md
patch: CHANGELOG.md<<<
- the report
>>>
slow: 15 80
say: The report stands in report.md.
";

const CAREFUL: &str = "\
Clean up, but ask first.
think: 15 50
run: touch cleaned.txt
run: sleep 1; ls
say: Cleaned up, with leave.
";

const FLAKY: &str = "\
Fetch the figures.
think: 15 60
run: sleep 1; echo fetching; exit 3
slow: 10 80
fail: 500
";

const TESTER: &str = "\
Test it.
think: 20 60
run: for n in 1 2 3 4; do echo \"test $n: ok\"; sleep 0.6; done
say: Four tests, four passed.
";
