//! The debugger as a picture, and keys as its commands. Knows ratatui's buffers and no terminal.

use super::Debugger;
use super::command;
use super::show::{self, Look};
use crate::engine::Phase;
use contract::ProcessId;
use ratatui::Frame;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Paragraph, Wrap};

/// Moves of the keys that go far.
const FAR: u64 = 100;
/// Lines that a key scrolls.
const PAGE: u16 = 8;
/// The line below everything.
const KEYS: &str = "? help  q quit  n next  b back  m mark  r run  g goto  Tab panel  : command";
/// What the keys do, beside the commands.
const KEY_HELP: [&str; 9] = [
    "n b  Right Left     one move forward, back; N B make 100",
    "m M                 to the next mark, back to the last",
    "r  g                run to the end or a violation; go to an event or a time",
    "Tab 1..7            what is shown on the right",
    "Up Down             which process it is about",
    "PgUp PgDn           scrolls it",
    "c p x h f           crash, power loss, strike, heal, fork: offered for editing",
    ":                   any command; Enter executes, Esc gives up",
    "q Ctrl-C            leaves",
];

/// What is shown on the right.
const PANELS: [&str; 7] = ["state", "disk", "queue", "clocks", "oracles", "faults", "processes"];

/// The debugger with what the eye is on.
pub struct Screen {
    debugger: Debugger,
    colour: bool,
    panel: usize,
    /// The process that state, disk and queue are about.
    process: usize,
    scroll: u16,
    /// A command that is being written.
    prompt: Option<String>,
    /// What the last command said, or what is wrong with it.
    message: Vec<String>,
    /// The page of help that is open, from 1; 0 for none.
    help: usize,
}

impl Screen {
    /// A picture of `debugger`, in colours if they are welcome.
    pub fn new(debugger: Debugger, colour: bool) -> Screen {
        let message = Vec::new();
        Screen { debugger, colour, panel: 0, process: 0, scroll: 0, prompt: None, message, help: 0 }
    }

    /// The debugger that is drawn.
    pub fn debugger(&self) -> &Debugger {
        &self.debugger
    }

    /// A key was pressed; `false` if the debugger is to be left.
    pub fn press(&mut self, key: KeyEvent) -> bool {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return false;
        }
        if self.help > 0 {
            self.help = (self.help + 1) % 3;
            return true;
        }
        if self.prompt.is_some() { self.write(key.code) } else { self.command(key.code) }
    }

    /// A key while a command is being written.
    fn write(&mut self, key: KeyCode) -> bool {
        let Some(prompt) = &mut self.prompt else { return true };
        match key {
            KeyCode::Char(character) => prompt.push(character),
            KeyCode::Backspace => drop(prompt.pop()),
            KeyCode::Esc => self.prompt = None,
            KeyCode::Enter => {
                let line = self.prompt.take().unwrap_or_default();
                return self.execute(&line);
            }
            _ => {}
        }
        true
    }

    fn command(&mut self, key: KeyCode) -> bool {
        let (process, node) = self.names();
        match key {
            KeyCode::Char('n') | KeyCode::Right => return self.execute("next"),
            KeyCode::Char('b') | KeyCode::Left => return self.execute("back"),
            KeyCode::Char('N') => return self.execute(&format!("next {FAR}")),
            KeyCode::Char('B') => return self.execute(&format!("back {FAR}")),
            KeyCode::Char('m') => return self.execute("mark"),
            KeyCode::Char('M') => return self.execute("backmark"),
            KeyCode::Char('r') => return self.execute("run"),
            KeyCode::Char('q') => return false,
            KeyCode::Char('?') => self.help = 1,
            KeyCode::Char('g') => self.prompt = Some("goto ".to_owned()),
            KeyCode::Char(':') => self.prompt = Some(String::new()),
            KeyCode::Char('c') => self.prompt = Some(format!("crash {process} 1s")),
            KeyCode::Char('p') => self.prompt = Some(format!("power {node} 1s")),
            KeyCode::Char('x') => self.prompt = Some(format!("strike partition {node} 1s")),
            KeyCode::Char('h') => self.prompt = Some("heal".to_owned()),
            KeyCode::Char('f') => self.prompt = Some("fork ".to_owned()),
            KeyCode::Char(digit @ '1'..='7') => self.show(digit as usize - '1' as usize),
            KeyCode::Tab => self.show((self.panel + 1) % PANELS.len()),
            KeyCode::BackTab => self.show((self.panel + PANELS.len() - 1) % PANELS.len()),
            KeyCode::Up | KeyCode::Char('k') => self.select(self.process.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.process + 1),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(PAGE),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(PAGE),
            _ => {}
        }
        true
    }

    fn execute(&mut self, line: &str) -> bool {
        match self.debugger.execute(line) {
            Ok(answer) => {
                // The headline stands at the top already.
                self.message = answer.lines.into_iter().filter(|line| !line.starts_with("event ")).collect();
                !answer.quit
            }
            Err(why) => {
                self.message = vec![format!("error: {why}")];
                true
            }
        }
    }

    fn show(&mut self, panel: usize) {
        (self.panel, self.scroll) = (panel, 0);
    }

    fn select(&mut self, process: usize) {
        let last = self.debugger.timeline.engine().world().plan().processes.len().saturating_sub(1);
        (self.process, self.scroll) = (process.min(last), 0);
    }

    /// The chosen process, and its node.
    fn names(&self) -> (String, String) {
        let plan = self.debugger.timeline.engine().world().plan();
        let Some(process) = plan.processes.get(self.process) else { return (String::new(), String::new()) };
        (process.name.clone(), plan.nodes[process.node.0 as usize].name.clone())
    }

    /// Draws everything; as much as fits.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Length(1), Constraint::Min(3), Constraint::Length(4), Constraint::Length(1)];
        let [head, body, answer, foot] = Layout::vertical(rows).areas(frame.area());
        let [left, right] = Layout::horizontal([Constraint::Percentage(50), Constraint::Min(20)]).areas(body);
        let strong = Style::new().add_modifier(Modifier::REVERSED);
        let headline = format!(" {}", show::headline(&self.debugger));
        frame.render_widget(Paragraph::new(headline).style(strong), head);
        self.draw_trace(frame, left);
        self.draw_panel(frame, right);
        self.draw_answer(frame, answer);
        let keys = if self.prompt.is_some() { "Enter executes  Esc gives up" } else { KEYS };
        frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
        if self.help > 0 {
            draw_help(frame, self.help);
        }
    }

    fn draw_trace(&self, frame: &mut Frame<'_>, area: Rect) {
        let height = usize::from(area.height.saturating_sub(2));
        let events = self.debugger.timeline.engine().world().last_events(height);
        let last = events.len().saturating_sub(1);
        let line = |(nth, event): (usize, &kernel::TraceLine)| {
            let line = Line::raw(show::event(event)).style(self.tone(event.what));
            if nth == last { line.style(Style::new().add_modifier(Modifier::BOLD)) } else { line }
        };
        let lines: Vec<Line<'_>> = events.iter().enumerate().map(line).collect();
        frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" events ")), area);
    }

    fn draw_panel(&self, frame: &mut Frame<'_>, area: Rect) {
        let world = self.debugger.timeline.engine().world();
        let id = ProcessId(self.process as u32);
        let (process, node) = self.names();
        let place = world.plan().processes.get(self.process).map_or(contract::NodeId(0), |it| it.node);
        let panel = PANELS[self.panel];
        let (look, about) = match panel {
            "state" => (Look::State(id), format!("{process} ({})", world.standing(id))),
            "disk" => (Look::Disk(place), node),
            "queue" => (Look::Queue(Some(id)), process),
            "clocks" => (Look::Clocks, String::new()),
            "oracles" => (Look::Oracles, String::new()),
            "faults" => (Look::Faults, String::new()),
            _ => (Look::Processes, String::new()),
        };
        let lines = look.lines(&self.debugger);
        let most = (lines.len() as u16).saturating_sub(1);
        let title = format!(" {} {panel} {about} ", self.panel + 1);
        let lines: Vec<Line<'_>> = lines.into_iter().map(Line::raw).collect();
        let text = Paragraph::new(lines).wrap(Wrap { trim: false }).scroll((self.scroll.min(most), 0));
        frame.render_widget(text.block(Block::bordered().title(title)), area);
    }

    /// The command that is being written, or what the last one said.
    fn draw_answer(&self, frame: &mut Frame<'_>, area: Rect) {
        if let Some(prompt) = &self.prompt {
            frame.render_widget(Paragraph::new(format!(": {prompt}")), area);
            // A cursor behind what is written; as far right as the area goes.
            let column = (prompt.chars().count() as u16).saturating_add(2).min(area.width.saturating_sub(1));
            frame.set_cursor_position((area.x + column, area.y));
            return;
        }
        let lines: Vec<Line<'_>> = self.message.iter().map(|line| Line::raw(line.trim_start())).collect();
        let over = matches!(self.debugger.timeline.engine().phase(), Phase::Over(_));
        let bad = over || self.message.first().is_some_and(|line| line.starts_with("error:"));
        let style = if bad { self.paint(Color::Yellow) } else { Style::new() };
        frame.render_widget(Paragraph::new(lines).wrap(Wrap { trim: true }).style(style), area);
    }

    fn tone(&self, what: &str) -> Style {
        match what {
            "crash" | "halt" | "drop" | "refuse" => self.paint(Color::Red),
            "strike" | "relief" => self.paint(Color::Yellow),
            "boot" => self.paint(Color::Green),
            _ => Style::new(),
        }
    }

    fn paint(&self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}

/// One page of help a key: the keys, then the commands, which need all lines of a terminal with 24.
fn draw_help(frame: &mut Frame<'_>, page: usize) {
    let area = frame.area();
    frame.render_widget(Clear, area);
    if page > 1 {
        let lines: Vec<Line<'_>> = command::help().into_iter().map(Line::raw).collect();
        return frame.render_widget(Paragraph::new(lines), area);
    }
    let lines: Vec<Line<'_>> = KEY_HELP.iter().map(|line| Line::raw(*line)).collect();
    let block = Block::bordered().title(" help: any key shows the commands ");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
