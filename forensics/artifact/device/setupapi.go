package device

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/textlog"
)

// SetupAPI is the log of driver installation: the first time that a device was
// attached, since its driver is then set up.
var SetupAPI = artifact.Spec{
	Name:  "device/setupapi",
	Title: "Device installation log (setupapi)",
	Globs: []string{"**/Windows/INF/setupapi*.log", "**/Windows/setupapi*.log", "**/WINNT/setupapi*.log", "**/WINNT/INF/setupapi*.log"},
	Loose: func(_ string, head []byte) bool {
		s := string(head[:min(len(head), 64)])
		return strings.Contains(s, "[Device Install Log]") || strings.Contains(s, "[SetupAPI Log]") || strings.HasPrefix(s, "[BeginLog]")
	},
	Fields: []string{"section", "subject", "end_local", "exit_status", "command_line", "hardware_ids", "driver", "driver_date", "local", "process"},
	Limit:  1 << 30,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "Windows began to set up this device or driver package at this time; for a device that plug and play found itself: it was attached then, mostly for the first time on this port",
		NotProven: "later attachments of the same device; what was copied, in which direction, by whom; that a device with a serial number made by Windows (& as second character) is the same as another time",
		Clock:     "local time of the machine, milliseconds (XP: whole seconds); boot sessions too",
		Retention: "setupapi.dev.log is kept and renamed when large (XP: setupapi.log, appended to); upgrades move it",
		Switches:  "LogLevel (SOFTWARE, Setup)",
		Source:    "Microsoft Learn, SetupAPI text logs; corpus samples; form of XP: Microsoft, Troubleshooting device installation with the SetupAPI log file (2003), no sample at hand; ANCHORS 4e",
	},
	Read: readSetupAPI,
}

// setupSection is a section of the log while it is read.
type setupSection struct {
	open    bool
	offset  int64
	end     int64
	line    int
	title   string // kind of the section
	subject string // device instance, INF file, driver package
	start   event.Ticks
	stop    event.Ticks
	exit    string
	command string
	process string
	ids     []string
	driver  string
	date    string
}

// setupReader reads one log.
type setupReader struct {
	in    *artifact.Input
	emit  func(*event.Event) error
	s     setupSection
	first event.Ticks
	last  event.Ticks
	zone  string
	lost  int
}

var (
	xpHeader = regexp.MustCompile(`^\[(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) ([\d.]+)(?: ([^\]]*))?\]`)
	xpDevice = regexp.MustCompile(`(?i)(?:install of|instance) "([^"]+)"`)
)

func readSetupAPI(ctx context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	r := &setupReader{in: in, emit: emit}
	n, known := 0, false
	for l, err := range textlog.Lines(in.R, in.Size, textlog.Options{}) {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.lost++
			in.Problem(problem.Unreadable, problem.Lost, err)
			continue
		}
		text := strings.Trim(l.Text, "\x00")
		known = known || strings.HasPrefix(text, "[Device Install Log]") || strings.HasPrefix(text, "[SetupAPI Log]") || strings.HasPrefix(text, "[BeginLog]")
		if err := r.take(text, &l); err != nil {
			return err
		}
		if l.Open {
			r.lost++
			in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("line %d has no end: the log may have been cut", l.Number))
		}
	}
	if err := r.close(in.Size); err != nil {
		return err
	}
	if !known && in.Counts.Declared == 0 {
		return errors.New("no log of device installation")
	}
	state := coverage.Read
	if r.lost > 0 || in.Counts.Failed > 0 {
		state = coverage.Partly
	}
	in.Cover(coverage.Fact{At: in.At, Source: in.Source, From: r.first, To: r.last, History: coverage.Recording, State: state,
		How: "from first to last section; local time, zone " + r.zone})
	return nil
}

// take reads one line of either form.
func (r *setupReader) take(text string, l *textlog.Line) error {
	if m := xpHeader.FindStringSubmatch(text); m != nil {
		if err := r.close(l.Offset); err != nil {
			return err
		}
		t, err := time.Parse("2006/01/02 15:04:05", m[1])
		r.begin(l, m[3], event.FromTime(t), err)
		r.s.process = m[2]
		return nil
	}
	switch {
	case strings.HasPrefix(text, ">>>  Section start "):
		if t, ok := setupTime(text[19:]); ok && r.s.open {
			r.s.start = t
		}
	case strings.HasPrefix(text, ">>>  ["):
		if err := r.close(l.Offset); err != nil {
			return err
		}
		r.begin(l, strings.TrimSuffix(strings.TrimPrefix(text, ">>>  ["), "]"), 0, nil)
	case strings.HasPrefix(text, "<<<  Section end "):
		r.s.stop, _ = setupTime(text[17:])
	case strings.HasPrefix(text, "<<<  [Exit status: "):
		r.s.exit = strings.TrimSuffix(text[19:], "]")
		return r.close(l.Offset + l.Length)
	case strings.HasPrefix(text, "[Boot Session: "):
		if err := r.close(l.Offset); err != nil {
			return err
		}
		return r.boot(strings.TrimSuffix(text[15:], "]"), l)
	case r.s.open:
		r.body(strings.TrimSpace(text))
	}
	return nil
}

// setupTime reads "2015/11/22 17:59:28.110".
func setupTime(s string) (event.Ticks, bool) {
	t, err := time.Parse("2006/01/02 15:04:05.000", strings.TrimSpace(s))
	return event.FromTime(t), err == nil
}

func (r *setupReader) begin(l *textlog.Line, title string, t event.Ticks, err error) {
	r.in.Counts.Declared++
	r.s = setupSection{open: true, offset: l.Offset, end: l.Offset + l.Length, line: l.Number, start: t, title: title}
	if err != nil {
		r.in.Problem(problem.Malformed, problem.Doubt, err)
	}
	if a, b, ok := strings.Cut(title, " - "); ok {
		r.s.title, r.s.subject = a, b
	}
}

// maxIDs bounds the hardware ids that are kept of a section.
const maxIDs = 16

// body takes what tells the device and the driver.
func (r *setupReader) body(text string) {
	s := &r.s
	kind, rest, _ := strings.Cut(text, ": ")
	rest = strings.TrimSpace(rest)
	value := func(name string) (string, bool) {
		k, v, ok := strings.Cut(rest, " - ")
		return strings.TrimSpace(v), ok && strings.TrimSpace(k) == name
	}
	switch {
	case kind == "cmd":
		s.command = rest
	case strings.HasPrefix(text, "#-198 Command line processed: "):
		s.command = text[30:]
	case strings.HasPrefix(text, "#-199 Executing "):
		s.command = strings.Trim(text[16:], `"`)
	case strings.HasPrefix(text, "#-019 Searching for hardware ID(s): "), strings.HasPrefix(text, "#-018 Searching for compatible ID(s): "):
		_, ids, _ := strings.Cut(text, "ID(s): ")
		for _, id := range strings.Split(ids, ",") {
			r.id(id)
		}
	case strings.HasPrefix(text, "#"):
		if m := xpDevice.FindStringSubmatch(text); m != nil && s.subject == "" {
			s.subject = m[1]
		}
		if strings.Contains(text, "finished successfully") {
			s.exit = "SUCCESS"
		}
	default:
		if v, ok := value("HardwareID"); ok {
			r.id(v)
		}
		if v, ok := value("InfName"); ok && s.driver == "" {
			s.driver = v
		}
		if v, ok := value("DrvDate"); ok && s.date == "" {
			s.date = v
		}
	}
}

func (r *setupReader) id(id string) {
	if id = strings.TrimSpace(id); id != "" && len(r.s.ids) < maxIDs {
		r.s.ids = append(r.s.ids, id)
	}
}

// event makes a row at a local time.
func (r *setupReader) event(t event.Ticks, p event.Precision) event.Event {
	e := event.Event{Clock: event.LocalTime, Precision: p, At: r.in.At, Recovered: r.in.State}
	e.Ticks, e.Zone, e.ZoneAssumed = r.in.Machine.Zone.UTC(t)
	r.zone = e.Zone
	if e.ZoneAssumed {
		r.zone += " (assumed)"
	}
	if r.first == 0 || e.Ticks < r.first {
		r.first = e.Ticks
	}
	r.last = max(r.last, e.Ticks)
	return e
}

func (r *setupReader) boot(s string, l *textlog.Line) error {
	t, ok := setupTime(s)
	if !ok {
		r.lost++
		r.in.Problem(problem.Malformed, problem.Doubt, fmt.Errorf("boot session %q has no time", s))
		return nil
	}
	e := r.event(t, event.Milli)
	e.Meaning, e.Action = "boot session", event.Started
	e.At.Offset, e.Length, e.Record = l.Offset, l.Length, strconv.Itoa(l.Number)
	e.Message = "system started (boot session of the device installation log)"
	e.Fields = []event.Field{event.Str("local", s)}
	return r.emit(&e)
}

// close ends a section at end.
func (r *setupReader) close(end int64) error {
	s := &r.s
	if !s.open {
		return nil
	}
	s.open = false
	if !s.start.Valid() {
		r.in.Counts.Failed++
		r.in.Report(problem.Problem{At: r.in.At.At(s.offset), Length: end - s.offset, Kind: problem.Malformed, Severity: problem.Lost, Expected: "the time of a section", Found: s.title})
		return nil
	}
	r.in.Counts.Decoded++
	precision := event.Milli
	if s.process != "" {
		precision = event.Second
	}
	e := r.event(s.start, precision)
	e.At.Offset, e.Length, e.Record = s.offset, end-s.offset, strconv.Itoa(s.line)
	s.meaning(&e)
	e.Fields = s.fields()
	return r.emit(&e)
}

// meaning says what the section stands for. Only what plug and play began by
// itself shows that a device was attached.
func (s *setupSection) meaning(e *event.Event) {
	low := strings.ToLower(s.title)
	instance := strings.Contains(s.subject, `\`) && !strings.Contains(s.subject, `:\`)
	if instance {
		e.Device = s.subject
	} else if p := artifact.VolumePath(s.subject); p != "" {
		e.Path = p
	}
	if e.Device == "" && strings.Contains(low, "driver install") && len(s.ids) > 0 {
		e.Device = s.ids[0]
	}
	switch {
	case (strings.HasPrefix(low, "device install (hardware initiated)") || strings.HasPrefix(low, "driver install")) && attachable(e.Device):
		e.Action, e.Meaning = event.DeviceAttached, "device installed (found by plug and play)"
	case strings.HasPrefix(low, "delete device"):
		e.Action, e.Meaning = event.DeviceRemoved, "device removed from the registry"
	case strings.Contains(low, "device install"), strings.Contains(low, "import driver package"), strings.Contains(low, "setupcopyoeminf"):
		e.Action, e.Meaning = event.Installed, "driver set up"
	default:
		e.Action, e.Meaning = event.Other, "section of device installation"
	}
	e.Message = strings.TrimSpace(fmt.Sprintf("%s: %s %s", e.Meaning, s.title, s.subject))
	if s.exit != "" && s.exit != "SUCCESS" {
		e.Message += " (" + s.exit + ")"
	}
}

// attachable tells devices that are plugged in from those that Windows makes up
// (tunnels, software devices) or that are part of the board.
func attachable(device string) bool {
	up := strings.ToUpper(device)
	for _, bus := range []string{`USB\`, `USBSTOR\`, `USBPRINT\`, `SWD\WPDBUSENUM\`, `WPDBUSENUMROOT\`, `STORAGE\`, `SCSI\`, `SBP2\`, `1394\`, `PCMCIA\`, `SD\`, `SDBUS\`, `BTHENUM\`, `HID\`, `IDE\`} {
		if strings.HasPrefix(up, bus) {
			return true
		}
	}
	return false
}

func (s *setupSection) fields() []event.Field {
	f := []event.Field{event.Str("section", s.title)}
	text := func(name, v string) {
		if v != "" {
			f = append(f, event.Str(name, v))
		}
	}
	text("subject", s.subject)
	if s.stop != 0 {
		text("end_local", strings.TrimSuffix(s.stop.Format(event.Milli), "Z"))
	}
	text("exit_status", s.exit)
	text("command_line", s.command)
	if len(s.ids) > 0 {
		f = append(f, event.List("hardware_ids", s.ids))
	}
	text("driver", s.driver)
	text("driver_date", s.date)
	text("local", strings.TrimSuffix(s.start.Format(event.Milli), "Z"))
	text("process", s.process)
	return f
}
