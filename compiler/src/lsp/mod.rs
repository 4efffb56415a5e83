//! The language server: `pvc lsp`.
//!
//! It answers from the compiler and knows nothing of the language itself. `server` is the loop; `workspace` holds the
//! open documents and what the compiler says of their sets; each kind of request has a file of its own.
//!
//! | file | requests |
//! |---|---|
//! | `diagnostics`, `pull` | findings, pushed and pulled |
//! | `hover`, `instructions`, `mnemonics`, `words` | hover: rows and ops, instructions, what they do, words of the language |
//! | `inlay` | lengths and bytes beside the rows |
//! | `completion`, `registers` | completion; registers that an instruction can name |
//! | `references` | definition, references, highlight, rename |
//! | `symbols`, `structure` | symbols; folding, selection ranges |
//! | `tokens` | semantic tokens |
//! | `actions`, `lens` | code actions, code lenses and their commands |
//! | `format` | formatting |

mod actions;
mod capabilities;
mod completion;
mod diagnostics;
mod documents;
mod format;
mod hover;
mod inlay;
mod instructions;
mod lens;
mod mnemonics;
mod names;
mod pages;
mod position;
mod pull;
mod references;
mod registers;
mod server;
mod structure;
mod symbols;
#[cfg(test)]
mod tests;
mod tokens;
mod transport;
mod uri;
mod words;
mod workspace;

use server::Server;

/// Serves one client on standard input and output until it says `exit` or goes away.
///
/// # Errors
///
/// The output cannot be written, or the client left without `shutdown`.
pub fn serve_stdio() -> std::io::Result<()> {
    let (connection, writer) = transport::stdio();
    let ended_well = Server::new(connection.sender.clone()).run(&connection.receiver);
    drop(connection);
    writer.join()?;
    if ended_well { Ok(()) } else { Err(std::io::Error::other("the client left without `shutdown`")) }
}
