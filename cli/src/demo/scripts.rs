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
        "say: I split the work among four agents and wait for what they bring.".to_owned(),
        child("builder", "never", BUILDER),
        child("careful", "untrusted", CAREFUL),
        child("flaky", "never", FLAKY),
        child("tester", "never", TESTER),
        "dyn: sm_children".to_owned(),
        "dyn: sm_wait {\"sessions\": [\"builder\", \"flaky\", \"tester\"]}".to_owned(),
        "run: cat report.md".to_owned(),
        "dyn: sm_result {\"session\": \"builder\"}".to_owned(),
        "say: The builder says: {{last.result}} One agent failed; the report needs none of its \
         figures."
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
think: 20 60
run: printf 'one\\ntwo\\nthree\\n' > notes.txt; sleep 2; wc -l notes.txt
say: The notes are counted. Now I put them into a report, with a heading and one sentence.
pause: 1500
patch: report.md<<<
# Report

Three notes were taken.
>>>
run: sleep 3; cat report.md
say: It reads well. The change log gets a line, too.
pause: 2000
patch: CHANGELOG.md<<<
- the report
>>>
say: The report stands in report.md.
";

const CAREFUL: &str = "\
Clean up, but ask first.
think: 15 60
run: touch cleaned.txt
pause: 1000
run: sleep 1; ls
say: Cleaned up, with leave.
";

const FLAKY: &str = "\
Fetch the figures.
think: 15 60
run: sleep 3; echo fetching; exit 3
pause: 2500
fail: 500
";

const TESTER: &str = "\
Test it.
think: 20 60
run: for n in 1 2 3 4 5 6; do echo \"test $n: ok\"; sleep 1; done
pause: 1500
say: Six tests, six passed.
";
