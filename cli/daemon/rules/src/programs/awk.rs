//! Scripts of `awk`.
//!
//! What always holds: a script only looks if all that it writes goes to its output and it starts nothing,
//! whichever `awk` reads it. Where a text or a pattern may hide that, it is not said to.

/// Words and signs by which a script starts something, reads on its own account, or takes in another one.
const TELLING: &[&str] = &["system", "@", "getline"];

/// Whether a script starts nothing and opens no file.
pub(crate) fn only_looks(script: &str) -> bool {
    !TELLING.iter().any(|sign| script.contains(sign)) && only_compares(script)
}

/// Whether each `<`, `>` and `|` of a script compares or chooses: behind `print` they open files.
fn only_compares(script: &str) -> bool {
    if !script.contains(['<', '>', '|']) {
        return true;
    }
    // A text, a pattern or a comment ends differently for whoever takes a `/` for a division.
    if script.contains(['/', '\\', '#', '\n']) {
        return false;
    }
    let (mut braces, mut brackets, mut is_text) = (0_usize, 0_usize, false);
    let mut rest = script.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => is_text = !is_text,
            _ if is_text => {}
            '{' => braces += 1,
            // No `awk` closes these in another order.
            '}' if brackets > 0 => return false,
            '}' => braces = braces.saturating_sub(1),
            '(' => brackets += 1,
            ')' => brackets = brackets.saturating_sub(1),
            '|' if rest.next_if_eq(&'|').is_none() => return false,
            // In front of all statements, or in brackets, it compares.
            '<' | '>' if braces > 0 && brackets == 0 => return false,
            '>' if rest.next_if_eq(&'>').is_some() => return false,
            _ => {}
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_is_told_from_what_opens_a_file() {
        for script in [
            "{print $1}",
            "NR<10",
            "$3>5{print}",
            "$3 >= 5 || $1 == \"a>b\" {print $2 \" \" $3}",
            "{if ($3 > 5) print $1}",
            "{for (i = 1; i <= NF; i++) print $i}",
            "NR>1 && NR<5",
            "/x/ {print}",
        ] {
            assert!(only_looks(script), "{script}");
        }
        for script in [
            "{print > \"f\"}",
            "{print $1 >> f}",
            "NR<10 {print > $1}",
            "{if (x) print > f}",
            "{print | f}",
            "\"id\" | getline",
            "BEGIN{system(\"id\")}",
            "/\"/ {print > \"f\"}",
            "1 { x = \"\\\"\"; print > \"f\" }",
            "{getline < f}",
            "(getline < f)",
            "@load \"x\"",
            "{print ($1) > f}",
            "{print (a) (b) > f}",
            "x{ ( } {print > f}",
            "{a[(1] = 2; print > f}",
            "{print |& f}",
        ] {
            assert!(!only_looks(script), "{script}");
        }
    }
}
