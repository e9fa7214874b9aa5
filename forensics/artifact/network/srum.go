package network

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/ese"
)

const srumCommon = "\"recorded\" is when the service wrote its sums down, about once an hour and when the machine stops: what it counts lies between \"since\" (the record before) and then"

var srumCard = artifact.Card{
	Clock:     "record: system clock, UTC, as days (to about a microsecond), of the moment of writing; connections and the application's timeline: FILETIME",
	Retention: "30 to 60 days; the last hour before a stop without shutdown is lost, or stands in SOFTWARE, SRUM\\Extensions, or in memory",
	Switches:  "service DPS (Diagnostic Policy Service); the database can be deleted when it is stopped; Windows 8 and later",
	Source:    "SRUDB.dat read with esedbexport and compared; Khatri, SRUM forensics; ANCHORS 4a, 4e; notes/peers",
}

// SRUM is the network part of the System Resource Usage Monitor: how many bytes
// each program sent and received between two records, and when an interface was
// connected.
var SRUM = artifact.Spec{
	Name: "network/srum", Title: "Network usage (SRUM)",
	Globs: []string{"**/Windows/System32/sru/SRUDB.dat"},
	Loose: looksLikeSRUM,
	Fields: []string{"since", "since_known", "minutes", "app", "app_kind", "service", "link_time", "image_id", "package", "interface", "interface_kind", "profile", "profile_flags",
		"connected_seconds", "recorded", "app_id", "user_id", "raw"},
	Limit: 4 << 30, Family: artifact.FamilySRUM,
	Card: srumCards("bytes that this program sent and received on this interface, for this account, "+srumCommon+"; that an interface was connected, since when and how long",
		"to whom, what, and whether into the local network or the internet; the moment; that bytes on an empty name were or were not a certain program's (half of a machine's bytes may stand there); bytes of System (file sharing, kernel) as those of a program; screen content of remote sessions counts as sent; that a program without a row sent nothing, outside the span of the records or in the last hour"),
	Read: readSRUMNetwork,
}

// SRUMApps is the part about programs: processor time and bytes of disk.
var SRUMApps = artifact.Spec{
	Name: "execution/srum", Title: "Application usage (SRUM)",
	Globs: []string{"**/Windows/System32/sru/SRUDB.dat"},
	Loose: looksLikeSRUM,
	Fields: []string{"since", "since_known", "minutes", "app", "app_kind", "service", "link_time", "image_id", "package", "foreground_cycles", "background_cycles", "foreground_bytes_read",
		"foreground_bytes_written", "background_bytes_read", "background_bytes_written", "face_time", "duration_ms", "in_focus_s", "user_input_s", "network_bytes", "recorded", "app_id", "user_id", "raw"},
	Limit: 4 << 30, Family: artifact.FamilySRUM,
	Card: srumCards("a process of this image used the processor under this account, "+srumCommon+"; bytes it read from and wrote to disk; in the timeline table: until when, to about a minute, and for how long",
		"when it was started; how often; that a person used it (cycles in the foreground are a hint); which files; that a program without a row did not run, outside the span of the records or in the last hour"),
	Read: readSRUMApps,
}

func srumCards(proves, not string) artifact.Card {
	c := srumCard
	c.Proves, c.NotProven = proves, not
	return c
}

func looksLikeSRUM(name string, head []byte) bool {
	return ese.Is(head) && strings.HasPrefix(strings.ToLower(name), "srudb")
}

// Tables of the providers.
const (
	srumNetwork      = "{973F5D5C-1D90-4944-BE8E-24B94231A174}"
	srumConnectivity = "{DD6636C4-8929-4683-974E-22C046A43763}"
	srumUsage        = "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA89}"
	srumTimeline     = "{5C8CF1C7-7257-4F13-B223-970EF5939312}"
)

// srumNames are the tables that are known and not read, for the coverage.
var srumNames = map[string]string{
	"{7ACBBAA3-D029-4BE4-9A7A-0885927F1D8F}": "vfuprov", "{D10CA2FE-6FCF-4F6D-848E-B2E99266FA86}": "push notifications",
	"{FEE4E14F-02A9-4550-B5CE-5FA2DA202E37}": "energy usage", "{FEE4E14F-02A9-4550-B5CE-5FA2DA202E37}LT": "energy usage, long term",
	"{DA73FB89-2BEA-4DDC-86B8-6E048C6DA477}": "energy estimation", "{97C2CE28-A37B-4920-B1E9-8B76CD341EC5}": "energy estimation (old)",
	"{B6D82AF1-F780-4E17-8077-6CB9AD8A6FC4}": "tagged energy",
}

// srumDB is the database, opened once for both Specs.
type srumDB struct {
	file *ese.File
	ids  map[int64]srumID
}

// srumID is a program or an account by the number that the tables use.
type srumID struct {
	kind    int64 // 0 program, 1 service, 2 package, 3 account
	text    string
	present bool
}

// maxSRUMText bounds the names that are kept.
const maxSRUMText = 64 << 20

func openSRUM(in *artifact.Input) (*srumDB, error) {
	return artifact.Shared(in, "srum", func() (*srumDB, error) {
		f, err := artifact.OpenESE(in)
		if err != nil {
			return nil, err
		}
		db := &srumDB{file: f, ids: map[int64]srumID{}}
		db.readIDs(in)
		return db, nil
	})
}

// readIDs reads the table of programs and accounts.
func (db *srumDB) readIDs(in *artifact.Input) {
	t := db.file.Table("SruDbIdMapTable")
	if t == nil {
		in.Report(problem.Problem{At: in.At, Kind: problem.Malformed, Severity: problem.Lost, Expected: "SruDbIdMapTable", Found: "no such table: programs and accounts are numbers only"})
		return
	}
	kept := 0
	for row, err := range db.file.Rows(t) {
		if err != nil {
			in.Problem(problem.Malformed, artifact.SeverityOfRow(err), err)
			continue
		}
		n, ok := row.Number("IdIndex")
		if !ok || row.Deleted {
			continue
		}
		id := srumID{present: true}
		id.kind, _ = row.Number("IdType")
		if v := row.Get("IdBlob"); v != nil {
			if v.Err != nil {
				in.Report(problem.Problem{At: in.At.At(row.Off), Kind: problem.Malformed, Severity: problem.Lost, Expected: "the name of number " + strconv.FormatInt(n, 10), Found: v.Err.Error()})
			}
			if kept += len(v.Raw); kept > maxSRUMText {
				in.Report(problem.Problem{At: in.At.At(row.Off), Kind: problem.OverLimit, Severity: problem.Lost, Expected: fmt.Sprintf("names of at most %d bytes", maxSRUMText), Found: "more"})
				return
			}
			if id.kind == 3 {
				id.text = artifact.SID(v.Raw)
			} else {
				id.text = v.UTF16()
			}
		}
		db.ids[n] = id
	}
}

// srumReader reads the tables of one Spec.
type srumReader struct {
	ctx     context.Context
	in      *artifact.Input
	emit    func(*event.Event) error
	db      *srumDB
	e       event.Event
	f       []event.Field
	unknown int // numbers that the table of names does not have
}

func readSRUMNetwork(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	return readSRUM(ctx, in, emit, []srumTable{{srumNetwork, "network usage", (*srumReader).network}, {srumConnectivity, "connections", (*srumReader).connection}})
}

func readSRUMApps(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	return readSRUM(ctx, in, emit, []srumTable{{srumUsage, "application usage", (*srumReader).usage}, {srumTimeline, "application timeline", (*srumReader).timeline}})
}

type srumTable struct {
	name, title string
	read        func(*srumReader, *ese.Row, srumSpan) error
}

func readSRUM(ctx context.Context, in *artifact.Input, emit func(*event.Event) error, tables []srumTable) error {
	db, err := openSRUM(in)
	if err != nil {
		in.Counts.Declared, in.Counts.Failed = 1, 1
		return err
	}
	s := &srumReader{ctx: ctx, in: in, emit: emit, db: db}
	for _, t := range tables {
		if err := s.table(t); err != nil {
			return err
		}
	}
	if s.unknown > 0 {
		in.Report(problem.Problem{At: in.At, Kind: problem.Inconsistent, Severity: problem.Doubt, Expected: "every number in SruDbIdMapTable", Found: fmt.Sprintf("%d numbers of programs or accounts are not there", s.unknown)})
	}
	return nil
}

// table reads one table: the times of its records first, since what a record
// counts begins with the one before.
func (s *srumReader) table(t srumTable) error {
	table := s.db.file.Table(t.name)
	if table == nil {
		s.in.Cover(coverage.Fact{At: s.in.At, Source: s.in.Source, History: coverage.UnknownBefore, State: coverage.Absent, How: t.title + ": no table " + t.name + " in the database"})
		return nil
	}
	var times []event.Ticks
	for row, err := range s.db.file.Rows(table) {
		if at := srumTime(&row); err == nil && !row.Deleted && at != 0 {
			times = append(times, at)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	failed := 0
	for row, err := range s.db.file.Rows(table) {
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if err != nil {
			severity := artifact.SeverityOfRow(err)
			s.in.Problem(problem.Malformed, severity, err)
			if severity == problem.Lost {
				s.in.Counts.Declared++
				s.in.Counts.Failed++
				failed++
			}
			continue
		}
		s.begin(t.title, &row)
		if err := t.read(s, &row, srumBefore(times, srumTime(&row))); err != nil {
			return err
		}
	}
	s.cover(t, times, failed)
	return nil
}

// cover says which time the records cover, and how long they pause.
func (s *srumReader) cover(t srumTable, times []event.Ticks, failed int) {
	f := coverage.Fact{At: s.in.At, Source: s.in.Source, History: coverage.Recording, State: coverage.Read}
	if failed > 0 {
		f.State = coverage.Partly
	}
	if n := len(times); n > 0 {
		f.From, f.To = times[0], times[n-1]
	}
	var longest time.Duration
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1]))
	}
	f.How = fmt.Sprintf("%s: written down at %d times, longest pause %d minutes (machine off, or nothing written); the first record counts from a time that is not known; %s", t.title, len(times), int(longest.Round(time.Minute).Minutes()), s.db.file.Header.State)
	var left []string
	for _, o := range s.db.file.Tables {
		if name := srumNames[o.Name]; name != "" {
			left = append(left, name)
		}
	}
	if len(left) > 0 {
		f.How += "; tables not read: " + strings.Join(left, ", ")
	}
	s.in.Cover(f)
}
