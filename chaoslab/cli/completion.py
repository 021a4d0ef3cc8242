"""`chaoslab completion`: the script that lets a shell complete commands, options and names."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Have it read by new shells:
      bash   chaoslab completion bash > ~/.local/share/bash-completion/completions/chaoslab
      zsh    chaoslab completion zsh > a folder of $fpath, as the file _chaoslab
      fish   chaoslab completion fish > ~/.config/fish/completions/chaoslab.fish

    \b
    Examples:
      chaoslab completion bash
      chaoslab completion zsh
    """
    from chaoslab.cli.main import COMPLETION_VARIABLE, PROGRAM, group

    found = get_completion_class(shell)
    assert found is not None  # each of SHELLS has one
    click.echo(found(group, {}, PROGRAM, COMPLETION_VARIABLE).source())
