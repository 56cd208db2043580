//! `neargate account` and `neargate user`: accounts, and people who sign their calls.

use crate::operator;
use crate::running::Which;
use crate::view::{Cell, Paint, Table, print_json, say};
use anyhow::Result;
use clap::{Args, Subcommand};
use neargate_base::AccountId;
use neargate_control::operator::{AccountList, AccountRequest, Keys, UserRequest};
use neargate_domain::link::Done;

/// Accounts of this Neargate: each has its own resources, users and root.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  neargate account create shop             prints the keys of its root, once
  neargate account list")]
pub struct Account {
    #[command(subcommand)]
    what: AccountCommand,
}

#[derive(Debug, Subcommand)]
enum AccountCommand {
    /// Make an account, and print the keys of its root.
    Create {
        /// What it is called
        name: String,
        /// Its twelve digits [default: any]
        #[arg(long)]
        id: Option<AccountId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
    /// List the accounts.
    #[command(alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
}

/// Users of an account: people, and programs that sign with keys of their own.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  neargate user create ann --admin         may do everything in the account
  neargate user create ci                  may do nothing yet: aws iam attach-user-policy ...")]
pub struct User {
    #[command(subcommand)]
    what: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user of IAM with a key, and print the key, once.
    Create {
        /// The user's name
        name: String,
        /// Let the user do everything in the account (AdministratorAccess)
        #[arg(long)]
        admin: bool,
        /// The account [default: what Neargate was started with]
        #[arg(long, value_name = "ID")]
        account: Option<AccountId>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        which: Which,
    },
}

impl Account {
    pub fn run(self) -> Result<()> {
        match self.what {
            AccountCommand::Create {
                name,
                id,
                json,
                which,
            } => {
                let asked = AccountRequest { name, id };
                let keys = operator::ask(&which, "POST", "/v1/accounts", &asked)?;
                show(&keys, json)
            }
            AccountCommand::List { json, which } => list(&which, json),
        }
    }
}

impl User {
    pub fn run(self) -> Result<()> {
        let UserCommand::Create {
            name,
            admin,
            account,
            json,
            which,
        } = self.what;
        let asked = UserRequest {
            name,
            account,
            admin,
        };
        let keys = operator::ask(&which, "POST", "/v1/users", &asked)?;
        show(&keys, json)
    }
}

fn list(which: &Which, json: bool) -> Result<()> {
    let all: AccountList = operator::ask(which, "GET", "/v1/accounts", &Done {})?;
    if json {
        print_json(&serde_json::to_value(&all)?);
        return Ok(());
    }
    let mut table = Table::new(&["ACCOUNT", "NAME", "CREATED"]);
    for account in all.accounts {
        table.row(vec![
            Cell::strong(account.id.to_string()),
            account.name.unwrap_or_default().into(),
            account
                .created_at
                .map(|at| at.rfc3339())
                .unwrap_or_default()
                .into(),
        ]);
    }
    table.print(Paint::stdout());
    Ok(())
}

/// Keys go to the standard output, so that they can be caught; what is said of them does not.
fn show(keys: &Keys, json: bool) -> Result<()> {
    if json {
        print_json(&serde_json::to_value(keys)?);
    } else {
        say(&format!("export AWS_ACCESS_KEY_ID={}", keys.access_key));
        say(&format!("export AWS_SECRET_ACCESS_KEY={}", keys.secret_key));
    }
    tell!("{} has this key. Its secret is not shown again.", keys.arn);
    Ok(())
}
