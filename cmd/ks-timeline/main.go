// Command ks-timeline reads evidence into the one timeline of a case and asks
// it: what happened, when, told by which record.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/forensics/custody"
	"kanshiki/forensics/store"
)

const name = "ks-timeline"

const help = `
    ks-timeline build --case ./case fixtures/quarantined-pc/quarantined-pc.E01
    ks-timeline query --case ./case --from 2011-08-24 --to 2011-08-25 exe
    ks-timeline source --case ./case --artifact execution/prefetch --limit 1

ks-timeline COMMAND --case DIR [OPTIONS] [ARGUMENTS]

  build EVIDENCE…   read images, folders or loose files into the case
  list              the rows, in the order of time
  query TEXT        rows and facts in which a text stands
  count             how many rows there are; --by COLUMN counts each value
  around EVENT      what else happened near an event or a time
  source EVENT      the record of an event as bytes, and what it proves
  sources           what was parsed, with its account of records
  problems          what could not be read
  coverage          what each source could have shown, and for which time
  artifacts         what is looked for, with its rule card
  export            all rows, for other programs

ks-timeline COMMAND --help tells the options of a command.
`

var commands = map[string]func(ctx context.Context, args []string, stdout, stderr io.Writer) error{
	"build": build, "list": list, "query": query, "count": count, "around": around, "source": source,
	"sources": sources, "problems": problems, "coverage": ledger, "artifacts": artifacts, "export": export,
}

var order = []string{"build", "list", "query", "count", "around", "source", "sources", "problems", "coverage", "artifacts", "export"}

func main() { cli.Main(name, run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return cli.Usage("name a command: %s", strings.Join(order, ", "))
	}
	if do, ok := commands[args[0]]; ok {
		return do(ctx, args[1:], stdout, stderr)
	}
	f := cli.NewFlags(name, help, stdout)
	f.String("case", "", "the case's `folder`")
	rest, err := f.Parse(args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		for _, c := range order { // options before the command
			if rest[0] == c {
				return cli.Usage("the command comes first: ks-timeline %s …", c)
			}
		}
		return cli.Usage("no command %s; there are %s", rest[0], strings.Join(order, ", "))
	}
	return cli.Usage("name a command: %s", strings.Join(order, ", "))
}

// caseFlag adds --case; open checks that it was given and holds a timeline.
func caseFlag(f *cli.Flags) *string {
	return f.String("case", "", "the case's `folder`")
}

func open(dir string) (*store.Store, error) {
	if dir == "" {
		return nil, cli.Usage("--case is missing: name the folder that holds the results, for example --case ./case")
	}
	if _, err := custody.Read(dir); errors.Is(err, custody.ErrNoCase) {
		return nil, fmt.Errorf("%w; begin with ks-timeline build --case %s EVIDENCE", err, dir)
	} else if err != nil {
		return nil, err
	}
	s, err := store.Open(dir)
	if errors.Is(err, store.ErrEmpty) {
		return nil, fmt.Errorf("%s: %w; begin with ks-timeline build --case %s EVIDENCE", dir, err, dir)
	}
	return s, err
}
