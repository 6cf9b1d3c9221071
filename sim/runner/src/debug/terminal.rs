//! The debugger on a real terminal, which is left as it was found, also after a panic.

use super::screen::Screen;
use crate::panics;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use std::io::{self, stdout};

/// Draws and takes keys until the debugger is left.
pub fn run(screen: &mut Screen) -> io::Result<()> {
    restore_on_panic();
    let result = walk(screen);
    ratatui::try_restore()?;
    result
}

fn walk(screen: &mut Screen) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen)?;
    let mut terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
    loop {
        terminal.draw(|frame| screen.draw(frame))?;
        if let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
            && !screen.press(key)
        {
            return Ok(());
        }
    }
}

/// A panic of the debugger itself restores the terminal before its message is printed; the panic of an actor is a
/// finding, which is caught, and leaves the terminal alone.
fn restore_on_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !panics::is_watched() {
            ratatui::restore();
        }
        usual(info);
    }));
}
