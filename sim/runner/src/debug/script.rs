//! Debugger commands from a file or a pipe, a line each, answered in plain text.

use super::Debugger;
use crate::console::Console;
use crate::exit::Exit;

/// Executes lines until one says `quit`, one is wrong, or there are no more. Lines that are wrong are named by
/// `name` and number. The exit is that of the run as it stands at the end.
pub fn play(
    debugger: &mut Debugger,
    name: &str,
    lines: impl Iterator<Item = String>,
    console: &mut Console<'_>,
) -> Exit {
    for (number, line) in lines.enumerate() {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        console.say(format!("> {line}"));
        match debugger.execute(line) {
            Ok(answer) if answer.quit => break,
            Ok(answer) => answer.lines.iter().for_each(|line| console.say(line)),
            Err(why) => {
                console.note(format!("error: {name}:{}: {why}", number + 1));
                return Exit::Usage;
            }
        }
    }
    debugger.exit()
}
