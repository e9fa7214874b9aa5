package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kanshiki/forensics/event"
)

var errHelp = errors.New("help was asked for")

// Flags are a command's options. They may stand before, between and after its
// arguments; "--" ends them.
type Flags struct {
	*flag.FlagSet
	help   string
	stdout io.Writer
}

// NewFlags makes the options of a command. help is printed for --help: an
// example that works as printed comes first; the options are listed below it.
func NewFlags(name, help string, stdout io.Writer) *Flags {
	f := &Flags{flag.NewFlagSet(name, flag.ContinueOnError), help, stdout}
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// Parse reads the options and returns the arguments.
func (f *Flags) Parse(args []string) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		if a := args[0]; a == "--" {
			return append(rest, args[1:]...), nil
		} else if a == "-" || !strings.HasPrefix(a, "-") {
			rest = append(rest, a)
			args = args[1:]
			continue
		}
		if err := f.FlagSet.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				f.printHelp()
				return nil, errHelp
			}
			return nil, f.explain(err)
		}
		args = f.Args()
	}
	return rest, nil
}

func (f *Flags) explain(err error) error {
	if bad, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -"); ok {
		if len(f.names()) == 0 {
			return Usage("no option --%s", bad)
		}
		return Usage("no option --%s; there are %s", bad, strings.Join(f.names(), ", "))
	}
	return Usage("%s", strings.ReplaceAll(strings.ReplaceAll(err.Error(), "flag needs an argument: -", "a value is missing after --"), "for flag -", "for --"))
}

func (f *Flags) names() []string {
	var names []string
	f.VisitAll(func(x *flag.Flag) { names = append(names, "--"+strings.TrimPrefix(x.Name, "-")) })
	slices.Sort(names)
	return names
}

func (f *Flags) printHelp() {
	fmt.Fprint(f.stdout, strings.TrimLeft(f.help, "\n"))
	fmt.Fprint(f.stdout, "\nOptions\n")
	f.VisitAll(func(x *flag.Flag) {
		what, usage := flag.UnquoteUsage(x)
		left := "  --" + x.Name
		if what != "" {
			left += " " + what
		}
		if x.DefValue != "" && x.DefValue != "false" && x.DefValue != "0" {
			usage += " (default " + x.DefValue + ")"
		}
		fmt.Fprintf(f.stdout, "%-28s %s\n", left, usage)
	})
	fmt.Fprint(f.stdout, "\nExit codes: 0 done; 1 could not do it; 2 wrong use; 3 done, and some evidence could not be read;\n4 done, and the answer is no; 130 interrupted.\n")
}

// Choice adds an option that takes one of a few words; the first is the
// default.
func (f *Flags) Choice(name, usage string, words ...string) *string {
	v := words[0]
	c := &choice{&v, words}
	f.Var(c, name, "`"+strings.Join(words, "|")+"`: "+usage)
	return &v
}

type choice struct {
	v     *string
	words []string
}

func (c *choice) String() string {
	if c == nil || c.v == nil {
		return ""
	}
	return *c.v
}

func (c *choice) Set(s string) error {
	if !slices.Contains(c.words, s) {
		return fmt.Errorf("it is one of %s", strings.Join(c.words, ", "))
	}
	*c.v = s
	return nil
}

// Times adds --from and --to.
func (f *Flags) Times() (from, to *event.Ticks) {
	from, to = new(event.Ticks), new(event.Ticks)
	f.Var(&moment{from}, "from", "only what happened at this `time` or later: 2011-08-24, 2011-08-24T00:31:07Z")
	f.Var(&moment{to}, "to", "only what happened before this `time`")
	return from, to
}

type moment struct{ t *event.Ticks }

func (m *moment) String() string {
	if m == nil || m.t == nil || *m.t == 0 {
		return ""
	}
	return m.t.String()
}

func (m *moment) Set(s string) error {
	t, err := ParseTime(s)
	*m.t = t
	return err
}

// ParseTime reads RFC 3339, with or without a time of day; without a zone it
// is UTC.
func ParseTime(s string) (event.Ticks, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			if v := event.FromTime(t); v.Valid() {
				return v, nil
			}
		}
	}
	return 0, fmt.Errorf("no time; times are written 2011-08-24 or 2011-08-24T00:31:07Z")
}

// Zone adds --zone: a further column of times in that zone.
func (f *Flags) Zone() **time.Location {
	var loc *time.Location
	f.Var(&zone{&loc}, "zone", "show times in this `zone` too, for example Asia/Tokyo")
	return &loc
}

type zone struct{ loc **time.Location }

func (z *zone) String() string {
	if z == nil || z.loc == nil || *z.loc == nil {
		return ""
	}
	return (*z.loc).String()
}

func (z *zone) Set(s string) error {
	l, err := time.LoadLocation(s)
	if err != nil {
		return errors.New("no such zone; zones are written Asia/Tokyo")
	}
	*z.loc = l
	return nil
}
