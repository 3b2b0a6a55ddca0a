//! Characters that nobody sees: with them two names, or two commands, look alike and are not.
//!
//! What always holds: the table is Unicode's `Default_Ignorable_Code_Point` (17.0), which later versions
//! only fill, with what else shows nothing: separators of lines, marks of annotations, the blank of Braille.

/// Whether a character shows nothing and takes no room, changes only how others are shown, or looks like
/// a blank and is none.
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
