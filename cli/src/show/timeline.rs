//! A session's turns as a picture: one bar a turn, cut into phases, all on one scale of time.
//!
//! What always holds: a phase is told by its glyph, and by colour only beside it; a phase that was there
//! takes at least one cell; no line of the chart is longer than its room, but for less than [`BAR_MIN`] cells
//! of bar.

use crate::output::{Role, Style, clean, duration_ms, tokens, width_of};
use sm_projections::rows::Phase;
use sm_projections::views::{PhaseDoc, TurnDoc};

/// How a phase is drawn, and what it is called.
fn look(phase: Phase) -> (char, Role, &'static str) {
    match phase {
        Phase::WaitingPermission => ('!', Role::NeedsHuman, "waiting for permission"),
        Phase::WaitingInput => ('?', Role::NeedsHuman, "waiting for input"),
        Phase::Retrying => ('x', Role::Bad, "retrying"),
        Phase::Compacting => ('◇', Role::Dim, "compacting"),
        Phase::ChangingFiles => ('▓', Role::Good, "changing files"),
        Phase::Running => ('█', Role::Active, "running"),
        Phase::CallingTool => ('▒', Role::Active, "calling a tool"),
        Phase::Writing => ('~', Role::Strong, "writing"),
        Phase::StartingMcp => ('+', Role::Dim, "starting MCP servers"),
        Phase::Reviewing => ('=', Role::Dim, "reviewing"),
        Phase::Thinking => ('·', Role::Dim, "thinking"),
    }
}

/// How long a phase took; one that lasts, up to `now` (Unix microseconds).
fn micros(phase: &PhaseDoc, now: i64) -> i64 {
    (phase.ended_micros.unwrap_or(now) - phase.began_micros).max(0)
}

/// The bar of one turn in `cells` cells, where its whole length takes `cells`.
fn bar(phases: &[PhaseDoc], cells: usize, now: i64) -> Vec<(Phase, usize)> {
    let whole: i64 = phases.iter().map(|phase| micros(phase, now)).sum();
    let mut bar: Vec<(Phase, usize)> = Vec::new();
    let (mut reached, mut drawn) = (0i64, 0usize);
    for phase in phases {
        reached += micros(phase, now);
        let end = (reached as i128 * cells as i128).checked_div(whole.into()).unwrap_or(0) as usize;
        let room = cells.saturating_sub(drawn);
        let width = end.saturating_sub(drawn).max(1).min(room);
        drawn += width;
        match bar.last_mut() {
            Some((last, cells)) if *last == phase.kind => *cells += width,
            _ if width > 0 => bar.push((phase.kind, width)),
            _ => {}
        }
    }
    bar
}

/// A bar shorter than this tells nothing.
const BAR_MIN: usize = 8;

/// The bars of turns, each by its number and its phases, and what their glyphs mean, on lines of `columns`
/// cells; `now` in Unix microseconds.
pub fn chart(turns: &[(u32, &[PhaseDoc])], columns: usize, now: i64, style: Style) -> Vec<String> {
    let length = |phases: &[PhaseDoc]| phases.iter().map(|phase| micros(phase, now)).sum::<i64>();
    let longest = turns.iter().map(|(_, phases)| length(phases)).max().unwrap_or(0);
    if longest == 0 {
        return Vec::new();
    }
    let digits = turns.last().map_or(1, |(number, _)| number.to_string().len());
    let words = turns.iter().map(|(_, phases)| width_of(&took(length(phases)))).max().unwrap_or(0);
    let room = columns.saturating_sub(digits + words + 2).max(BAR_MIN);
    let mut lines = Vec::with_capacity(turns.len() + 1);
    for (number, phases) in turns.iter().filter(|(_, phases)| !phases.is_empty()) {
        let whole = length(phases);
        let cells = (whole as i128 * room as i128 / i128::from(longest)).max(1) as usize;
        let cells = bar(phases, cells, now);
        let drawn: String =
            cells.iter().map(|(phase, cells)| paint(*phase, *cells, style)).collect();
        lines.push(format!("{number:>digits$} {drawn} {}", took(whole)));
    }
    lines.extend(legend(turns, columns, now, style));
    lines
}

fn paint(phase: Phase, cells: usize, style: Style) -> String {
    let (glyph, role, _) = look(phase);
    style.paint(role, glyph.to_string().repeat(cells))
}

fn took(micros: i64) -> String {
    duration_ms(micros / 1000)
}

/// Each phase that occurs, its glyph, its words and its time over all turns, on as many lines as it takes.
fn legend(turns: &[(u32, &[PhaseDoc])], columns: usize, now: i64, style: Style) -> Vec<String> {
    let (mut lines, mut used) = (Vec::<String>::new(), 0);
    for kind in Phase::ALL {
        let phases = turns.iter().flat_map(|(_, phases)| *phases);
        let mut of = phases.filter(|phase| phase.kind == kind).peekable();
        if of.peek().is_none() {
            continue;
        }
        let (glyph, role, words) = look(kind);
        let whole: i64 = of.map(|phase| micros(phase, now)).sum();
        let told = format!(" {words} {}", took(whole));
        let taken = 1 + width_of(&told);
        let told = format!("{}{told}", style.paint(role, glyph));
        match lines.last_mut() {
            Some(line) if used + 2 + taken <= columns => {
                *line += &format!("  {told}");
                used += 2 + taken;
            }
            _ => {
                lines.push(told);
                used = taken;
            }
        }
    }
    lines
}

/// The phases of one turn, one line each; `now` in Unix microseconds.
pub fn phases(turn: &TurnDoc, now: i64, style: Style) -> Vec<String> {
    let line = |phase: &PhaseDoc| {
        let (glyph, role, words) = look(phase.kind);
        let since = took(phase.began_micros - turn.started_micros);
        let lasts = if phase.ended_micros.is_none() { " so far" } else { "" };
        let spent = match phase.tokens {
            0 => String::new(),
            spent => format!("  {} tokens", tokens(spent)),
        };
        let mark = style.paint(role, glyph);
        let head =
            format!("{since:>7}  {mark} {words:<22} {:>7}{lasts}{spent}", took(micros(phase, now)));
        format!("{head}{}", about(phase, style))
    };
    turn.phases.iter().map(line).collect()
}

/// What a phase was about: the command and how it ended, the files and their lines, the request.
fn about(phase: &PhaseDoc, style: Style) -> String {
    let mut words = String::new();
    if let Some(request) = &phase.request_id {
        words += &format!("  {request}");
    }
    let Some(action) = &phase.action else { return words };
    words += &format!("  {}", clean(&action.summary));
    if phase.kind.is_waiting() || !action.is_deed() {
        return words;
    }
    let exit = action.exit_code.map_or(String::new(), |code| format!(" exit {code}"));
    let lines = match action.files {
        0 => String::new(),
        _ => format!(" +{} -{}", action.plus, action.minus),
    };
    words += &match (action.status, action.failed()) {
        ("completed", _) => style.paint(Role::Good, format!("  ✓{exit}{lines}")),
        (status, true) => style.paint(Role::Bad, format!("  ✗ {status}{exit}{lines}")),
        (status, false) => format!("  {status}{exit}{lines}"),
    };
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(kind: Phase, began: i64, ended: Option<i64>) -> PhaseDoc {
        PhaseDoc {
            phase: kind.as_str(),
            seq: 1,
            began_at: None,
            ended_at: None,
            duration_ms: ended.map(|ended| (ended - began) / 1000),
            tokens: 0,
            request_id: None,
            action: None,
            began_micros: began,
            ended_micros: ended,
            kind,
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_room_and_leaves_no_phase_out() {
        let second = 1_000_000;
        let phases = [
            phase(Phase::Thinking, 0, Some(90 * second)),
            phase(Phase::Running, 90 * second, Some(90 * second)),
            phase(Phase::Writing, 90 * second, Some(100 * second)),
        ];
        let drawn = bar(&phases, 20, 0);
        assert_eq!(drawn, vec![(Phase::Thinking, 18), (Phase::Running, 1), (Phase::Writing, 1)]);
        // More phases than cells: the bar is full, and no longer.
        let narrow = bar(&phases, 2, 0);
        assert_eq!(narrow.iter().map(|(_, cells)| cells).sum::<usize>(), 2);
    }

    #[test]
    fn a_phase_that_lasts_grows_with_the_clock() {
        let phases = [phase(Phase::Thinking, 0, Some(10)), phase(Phase::Running, 10, None)];
        assert_eq!(bar(&phases, 10, 100), vec![(Phase::Thinking, 1), (Phase::Running, 9)]);
        assert_eq!(bar(&[], 10, 100), vec![]);
    }

    #[test]
    fn the_chart_fits_its_lines_and_uses_them() {
        let second = 1_000_000;
        let long = [phase(Phase::Thinking, 0, Some(90 * second))];
        let short = [
            phase(Phase::WaitingPermission, 0, Some(5 * second)),
            phase(Phase::ChangingFiles, 5 * second, Some(9 * second)),
        ];
        let turns = [(9, &long[..]), (10, &short[..])];
        for columns in [40, 80, 200] {
            let lines = chart(&turns, columns, 0, Style { colour: false });
            assert!(lines.iter().all(|line| width_of(line) <= columns), "{lines:?}");
            assert_eq!(width_of(&lines[0]), columns, "{lines:?}");
        }
        assert_eq!(chart(&turns, 40, 0, Style { colour: false }).len(), 2 + 2);
        assert_eq!(chart(&turns, 200, 0, Style { colour: false }).len(), 2 + 1);
    }
}
