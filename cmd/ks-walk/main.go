// Command ks-walk shows the file systems inside an image: every entry with all
// its names, streams and times, live or deleted, and what can be proven of it.
package main

import (
	"context"
	"io"
	"strings"

	"kanshiki/cmd/internal/cli"
	"kanshiki/cmd/internal/reading"
	"kanshiki/forensics/filesystem/secondreader"
)

const name = "ks-walk"

const help = `
    ks-walk list fixtures/quarantined-pc/quarantined-pc.E01

ks-walk COMMAND [OPTIONS] IMAGE [PATH…]

  list       every name and stream, a row each: live, deleted, orphaned, damaged
  stat       all that is known of one entry: names, times, streams, clusters
  cat        the content of a stream on standard output
  extract    files to a folder, under names that are safe there, with a manifest
  deleted    deleted files, and which of their bytes are still their own
  usn        the change journal, each record with the path of its time
  log        the records of $LogFile: changes with old and new names and times
  index      names in the indexes of directories, live and left over
  meta       what the volume says of itself: object ids, reparse points, quotas
  carve      MFT entries, index and journal records in free clusters
  shadows    shadow copies; every command takes one with --shadow
  coverage   what was read, and whether the sums hold
  timestomp  times that contradict each other: tests, values, innocent causes

Paths go from the root of a volume, with / between names: Windows/win.ini.
A stream is named behind a colon: notes.txt:secret (notes.txt:secret:$DATA where
a file notes.txt:secret exists too); #64-3 is entry 64 with sequence number 3.
ks-walk COMMAND --help tells more.
`

// commands in the order of the help.
var commands = []struct {
	name string
	run  cli.Run
}{
	{"list", runList},
	{"stat", runStat},
	{"cat", runCat},
	{"extract", runExtract},
	{"deleted", runDeleted},
	{"usn", runUSN},
	{"log", runLog},
	{"index", runIndex},
	{"meta", runMeta},
	{"carve", runCarve},
	{"shadows", runShadows},
	{"coverage", runCoverage},
	{"timestomp", runTimestomp},
}

func main() {
	secondreader.Serve()
	cli.Main(name, run)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
		if len(args) > 0 && args[0] == c.name {
			return c.run(ctx, args[1:], stdout, stderr)
		}
	}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		return cli.Usage("no command %q; there are %s", args[0], strings.Join(names, ", "))
	}
	f := cli.NewFlags(name, help, stdout)
	formats := f.Bool("formats", false, "list the formats of images that are read and those that are known by name")
	if _, err := f.Parse(args); err != nil {
		return err
	}
	if *formats {
		return reading.Formats(stdout)
	}
	return cli.Usage("name a command: %s; for example ks-walk list disk.E01", strings.Join(names, ", "))
}
