package artifact

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/locator"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// HiveLimit is the largest hive that is read: the largest of a real machine
// (COMPONENTS) has some 150 MiB.
const HiveLimit = 256 << 20

// HiveKind says which hive of Windows a file is.
type HiveKind string

// The hives that artifacts know by name.
const (
	HiveSystem   HiveKind = "SYSTEM"
	HiveSoftware HiveKind = "SOFTWARE"
	HiveSAM      HiveKind = "SAM"
	HiveSecurity HiveKind = "SECURITY"
	HiveUser     HiveKind = "NTUSER.DAT" // also DEFAULT and those of service accounts
	HiveClasses  HiveKind = "UsrClass.dat"
	HiveAmcache  HiveKind = "Amcache.hve"
	HiveBCD      HiveKind = "BCD"
	HiveOther    HiveKind = "other"
)

// The places of hives, for the Globs of Specs. Each is also looked for below
// Windows.old and other copies of a system.
var hiveGlobs = map[HiveKind][]string{
	HiveSystem:   {"**/Windows/System32/config/SYSTEM", "**/Windows/System32/config/RegBack/SYSTEM", "System Volume Information/_restore*/RP*/snapshot/_REGISTRY_MACHINE_SYSTEM"},
	HiveSoftware: {"**/Windows/System32/config/SOFTWARE", "**/Windows/System32/config/RegBack/SOFTWARE", "System Volume Information/_restore*/RP*/snapshot/_REGISTRY_MACHINE_SOFTWARE"},
	HiveSAM:      {"**/Windows/System32/config/SAM", "**/Windows/System32/config/RegBack/SAM", "System Volume Information/_restore*/RP*/snapshot/_REGISTRY_MACHINE_SAM"},
	HiveSecurity: {"**/Windows/System32/config/SECURITY", "**/Windows/System32/config/RegBack/SECURITY", "System Volume Information/_restore*/RP*/snapshot/_REGISTRY_MACHINE_SECURITY"},
	HiveUser: {"**/Users/*/NTUSER.DAT", "**/Documents and Settings/*/NTUSER.DAT", "**/Windows/ServiceProfiles/*/NTUSER.DAT",
		"**/Windows/System32/config/systemprofile/NTUSER.DAT", "**/Windows/System32/config/DEFAULT", "**/Windows/System32/config/RegBack/DEFAULT",
		"System Volume Information/_restore*/RP*/snapshot/_REGISTRY_USER_*"},
	HiveClasses: {"**/Users/*/AppData/Local/Microsoft/Windows/UsrClass.dat", "**/Documents and Settings/*/Local Settings/Application Data/Microsoft/Windows/UsrClass.dat"},
	HiveAmcache: {"**/Windows/AppCompat/Programs/Amcache.hve"},
	HiveBCD:     {"Boot/BCD", "**/Boot/BCD", "EFI/Microsoft/Boot/BCD"},
	HiveOther: {"**/Windows/System32/config/COMPONENTS", "**/Windows/System32/config/DRIVERS", "**/Windows/System32/config/ELAM", "**/Windows/System32/config/BBI",
		"**/Windows/System32/config/BCD-Template", "**/Windows/System32/SMI/Store/Machine/SCHEMA.DAT",
		"**/Users/*/AppData/Local/Packages/*/Settings/settings.dat", "**/Users/*/AppData/Local/Packages/*/SystemAppData/Helium/*.dat",
		"**/ProgramData/Microsoft/Windows/AppRepository/Packages/*/ActivationStore.dat", "**/System Volume Information/Syscache.hve"},
}

// HiveGlobs are the places of hives of these kinds.
func HiveGlobs(kinds ...HiveKind) []string {
	var out []string
	for _, k := range kinds {
		out = append(out, hiveGlobs[k]...)
	}
	return out
}

// LooseHive tells of a file given as evidence of its own whether it is a hive
// of one of these kinds, by the path in its base block, else by its name.
// Without kinds, every hive is.
func LooseHive(kinds ...HiveKind) func(name string, head []byte) bool {
	return func(name string, head []byte) bool {
		if len(head) < 4 || string(head[:4]) != "regf" {
			return len(kinds) == 0 && len(head) >= 4 && string(head[:4]) == "CREG"
		}
		if len(head) >= 32 && head[28] != regf.Primary {
			return false // a log is read with its hive
		}
		if len(kinds) == 0 {
			return true
		}
		is := kindByName(name)
		if b, err := regf.Parse(pad(head)); err == nil && kindByName(b.Base.Name) != HiveOther {
			is = kindByName(b.Base.Name)
		}
		for _, k := range kinds {
			if k == is {
				return true
			}
		}
		return false
	}
}

// pad makes the first bytes of a hive long enough for its base block.
func pad(head []byte) []byte {
	if len(head) >= regf.BaseSize {
		return head
	}
	return append(head[:len(head):len(head)], make([]byte, regf.BaseSize-len(head))...)
}

func kindByName(name string) HiveKind {
	low := strings.ToLower(name[strings.LastIndexAny(name, `\/`)+1:])
	for _, k := range []struct {
		part string
		kind HiveKind
	}{
		{"ntuser", HiveUser}, {"_registry_user_usrclass", HiveClasses}, {"_registry_user", HiveUser}, {"usrclass", HiveClasses}, {"amcache", HiveAmcache},
		{"system", HiveSystem}, {"software", HiveSoftware}, {"security", HiveSecurity}, {"sam", HiveSAM}, {"bcd", HiveBCD}, {"default", HiveUser},
	} {
		if strings.Contains(low, k.part) {
			return k.kind
		}
	}
	return HiveOther
}

// Hive is a registry hive with its logs replayed, opened once for all the
// artifacts in it.
type Hive struct {
	*regf.Hive
	Replay *regf.Replay
	Kind   HiveKind
	Root   string // as the registry shows it: HKLM\SYSTEM, HKU\S-1-5-21-…
	SID    string // of the user whose hive it is, "" where not known
	User   string
	// Profile is the user's folder, from the volume's root; "" where not known.
	Profile string
	Sets    []ControlSet // of a SYSTEM hive
	Logs    []string     // names of the logs that were there

	self locator.Locator
	logs []logPlace
	lost []regf.Recovered
	seen bool
	// unwalked are the cells behind which no other could be found while
	// looking for lost records.
	unwalked []error
}

// logPlace is a transaction log: where it is, and its path.
type logPlace struct {
	at     locator.Locator
	source string
}

// Emit gives the events that lie in a transaction log the path of that log as
// their source.
func (h *Hive) Emit(emit func(*event.Event) error) func(*event.Event) error {
	if h.Replay.Pages == 0 {
		return emit
	}
	same := func(a, b locator.Locator) bool {
		return a.Volume == b.Volume && a.Snapshot == b.Snapshot && a.Entry == b.Entry && a.Sequence == b.Sequence && a.Stream == b.Stream
	}
	return func(e *event.Event) error {
		for _, l := range h.logs {
			if same(e.At, l.at) && !same(e.At, h.self) {
				e.Source = l.source
			}
		}
		return emit(e)
	}
}

// At is the place of a record: in the hive, or in the log whose page it was
// read from.
func (h *Hive) At(in *Input, off int64, inner string) locator.Locator {
	if log, at, ok := h.Replay.Origin(off); ok && log < len(h.logs) {
		return h.logs[log].at.At(at).In(inner)
	}
	return in.At.At(off).In(inner)
}

// State is read, or partly where bytes of the hive are not there, or its last
// changes are in logs that are missing or do not fit.
func (h *Hive) State() coverage.State {
	if b := h.Replay.Before; h.missing() > 0 || b != nil && b.Dirty() && h.Replay.Pages == 0 {
		return coverage.Partly
	}
	return coverage.Read
}

func (h *Hive) missing() int64 {
	n := h.Missing()
	if b := h.Replay.Before; b != nil {
		n = max(n, b.Missing())
	}
	return n
}

// Places of what a replay took away or changed, beside those of package regf.
const (
	BeforeLogs = "hive before its logs"
	ChangedBy  = "hive before its logs, which change it"
)

// Lost are the deleted keys and values of the hive, looked for once: in its
// free cells, and in the hive as it was before its logs were applied.
func (h *Hive) Lost() []regf.Recovered {
	if !h.seen {
		h.seen = true
		for r, err := range h.Recovered() {
			if err != nil {
				h.unwalked = append(h.unwalked, err)
				continue
			}
			h.lost = append(h.lost, r)
		}
		h.lost = append(h.lost, h.replaced()...)
	}
	return h.lost
}

// Unwalked are the errors that looking for lost records met.
func (h *Hive) Unwalked() []error { h.Lost(); return h.unwalked }

// replaced are the keys and values that the logs took away, and the values
// that they changed. What also lies in a free cell is not given twice.
func (h *Hive) replaced() []regf.Recovered {
	before := h.Replay.Before
	if before == nil || before == h.Hive {
		return nil
	}
	known := map[int64]bool{}
	for i := range h.lost {
		known[h.lost[i].Offset()] = true
	}
	after := map[string]*regf.Key{}
	for k, err := range h.Keys() {
		if err == nil {
			after[strings.ToLower(k.Path())] = k
		}
	}
	var out []regf.Recovered
	for k, err := range before.Keys() {
		if err != nil {
			continue
		}
		now := after[strings.ToLower(k.Path())]
		if now == nil && !known[k.Offset] {
			out = append(out, regf.Recovered{Key: k, Where: BeforeLogs, Path: k.Path(), Complete: true})
		}
		if now != nil && now.LastWritten == k.LastWritten {
			continue
		}
		for v, err := range k.Values() {
			if err != nil {
				continue
			}
			where := BeforeLogs
			if now != nil {
				if same, err := now.Value(v.Name); err == nil {
					where = ChangedBy
					x, _ := v.Data()
					if y, _ := same.Data(); v.Type == same.Type && bytes.Equal(x, y) {
						continue
					}
				}
			}
			if !known[v.Offset] || where == ChangedBy {
				out = append(out, regf.Recovered{Key: k, Value: &v, Where: where, Path: k.Path(), Complete: true})
			}
		}
	}
	return out
}

// AtLost is the place of a lost record.
func (h *Hive) AtLost(in *Input, r *regf.Recovered) locator.Locator {
	if r.Where == BeforeLogs || r.Where == ChangedBy {
		return in.At.At(r.Offset()).In(r.Path) // in the hive as it lies, whatever the logs put there
	}
	return h.At(in, r.Offset(), r.Path)
}

// Owner is the account whose hive this is; the hive .DEFAULT is the system's.
func (h *Hive) Owner() string {
	if h.SID == ".DEFAULT" {
		return "S-1-5-18"
	}
	return h.SID
}

// ControlSet is one of the sets of a SYSTEM hive.
type ControlSet struct {
	Name    string // "ControlSet001"
	Current bool   // the one that Select names
}

// OpenHive reads the hive of this source, replays its transaction logs and
// finds out which hive it is.
func OpenHive(in *Input) (*Hive, error) {
	h, err := openHive(in)
	if err == nil && h.missing() > 0 { // each artifact may lack something, so each says it
		in.Problem(problem.Malformed, problem.Lost, fmt.Errorf("%d bytes of the hive are not there", h.missing()))
	}
	return h, err
}

func openHive(in *Input) (*Hive, error) {
	return Shared(in, "hive", func() (*Hive, error) {
		data, err := in.Bytes(HiveLimit)
		if err != nil {
			return nil, err
		}
		h := &Hive{self: in.At}
		var logs [][]byte
		for _, end := range []string{".LOG1", ".LOG2", ".LOG"} {
			if in.Sibling == nil {
				break
			}
			log, ok := in.Sibling(in.Name + end)
			if !ok || log.Size == 0 {
				continue
			}
			b, err := log.Bytes(HiveLimit)
			if err != nil {
				in.Problem(problem.Unreadable, problem.Doubt, fmt.Errorf("%s%s: %w", in.Name, end, err))
				continue
			}
			logs, h.Logs, h.logs = append(logs, b), append(h.Logs, in.Name+end), append(h.logs, logPlace{log.At, log.Source})
		}
		if h.Replay, err = regf.Apply(data, logs...); err != nil {
			return nil, err
		}
		h.Hive = h.Replay.After
		h.identify(in)
		return h, nil
	})
}

// identify finds the kind by what stands below the root, else by the name.
func (h *Hive) identify(in *Input) {
	names := map[string]bool{}
	root, err := h.Hive.Root()
	if err == nil {
		for k, err := range root.Subkeys() {
			if err == nil {
				names[strings.ToLower(k.Name)] = true
			}
		}
	}
	has := func(all ...string) bool {
		for _, n := range all {
			if !names[n] {
				return false
			}
		}
		return true
	}
	switch {
	case has("select"):
		h.Kind = HiveSystem
	case has("policy") && (has("cache") || has("rxact")):
		h.Kind = HiveSecurity
	case has("software", "control panel"), has("software", "environment"), has("software", "keyboard layout"):
		h.Kind = HiveUser
	case has("sam"):
		h.Kind = HiveSAM
	case has("objects", "description"):
		h.Kind = HiveBCD
	case has("root") && kindByName(in.Name) == HiveAmcache:
		h.Kind = HiveAmcache
	case has("microsoft", "classes"):
		h.Kind = HiveSoftware
	case has("local settings") && kindByName(in.Name) != HiveUser:
		h.Kind = HiveClasses
	default:
		h.Kind = kindByName(in.Name)
		if k := kindByName(h.Base.Name); k != HiveOther && h.Kind == HiveOther {
			h.Kind = k
		}
	}
	h.owner(in, root)
	switch h.Kind {
	case HiveSystem:
		h.controlSets()
		h.Root = `HKLM\SYSTEM`
	case HiveSoftware, HiveSAM, HiveSecurity:
		h.Root = `HKLM\` + string(h.Kind)
	case HiveBCD:
		h.Root = `HKLM\BCD00000000`
	case HiveUser, HiveClasses:
		h.Root = `HKU\` + h.SID
		if h.SID == "" {
			h.Root = `HKU\` + h.User
		}
		if h.Kind == HiveClasses {
			h.Root += "_Classes"
		}
	case HiveAmcache:
		h.Root = "Amcache"
	default:
		h.Root = in.Name
	}
}

// owner finds whose hive of a user this is: by the profile's place, by the
// accounts that are always there, by the one user in the root key's access
// list.
func (h *Hive) owner(in *Input, root *regf.Key) {
	if h.Kind != HiveUser && h.Kind != HiveClasses {
		return
	}
	if in.Machine != nil {
		if sid, u, ok := in.Machine.UserOf(in.Source); ok {
			h.SID, h.User, h.Profile = sid, u.Name, u.Profile
		}
	}
	low := strings.ToLower(in.Source)
	for _, who := range [][3]string{
		{"serviceprofiles/localservice/", "S-1-5-19", "LOCAL SERVICE"}, {"serviceprofiles/networkservice/", "S-1-5-20", "NETWORK SERVICE"},
		{"documents and settings/localservice/", "S-1-5-19", "LOCAL SERVICE"}, {"documents and settings/networkservice/", "S-1-5-20", "NETWORK SERVICE"},
		{"config/systemprofile/", "S-1-5-18", "SYSTEM"},
	} {
		if strings.Contains(low, who[0]) {
			h.SID, h.User = who[1], who[2]
		}
	}
	if strings.HasSuffix(low, "config/default") || strings.HasSuffix(low, "regback/default") {
		h.SID, h.User = ".DEFAULT", "SYSTEM"
	}
	if n := strings.LastIndex(in.Source, "_S-1-5-"); h.SID == "" && n >= 0 && strings.Contains(low, "_registry_user_") {
		h.SID = in.Source[n+1:] // a restore point of XP says it in the name
	}
	if h.SID == "" && root != nil {
		if d, err := root.Descriptor(); err == nil {
			h.SID = onlyUser(d)
		}
	}
	if h.User == "" {
		parts := strings.FieldsFunc(in.Source, func(r rune) bool { return r == '/' || r == '\\' })
		for i, p := range parts {
			if (strings.EqualFold(p, "Users") || strings.EqualFold(p, "Documents and Settings")) && i+2 < len(parts) {
				h.User = parts[i+1]
			}
		}
	}
	for _, top := range []string{"users/", "documents and settings/"} {
		if i := strings.Index("/"+low, "/"+top); i >= 0 && h.Profile == "" {
			if name, _, inside := strings.Cut(in.Source[i+len(top):], "/"); inside {
				h.Profile = in.Source[:i+len(top)] + name
			}
		}
	}
	if h.User == "" { // the base block remembers the end of the path
		parts := strings.Split(h.Base.Name, `\`)
		if n := len(parts); n >= 2 && strings.EqualFold(parts[n-1], "ntuser.dat") {
			h.User = parts[n-2]
		}
	}
}

// PathOf is PathOf with the variables of the user whose hive this is.
func (h *Hive) PathOf(s string) string {
	if p := PathOf(s); p != "" || h.Profile == "" {
		return p
	}
	roaming, local := "/AppData/Roaming", "/AppData/Local"
	if strings.Contains(strings.ToLower(h.Profile), "documents and settings/") {
		roaming, local = "/Application Data", "/Local Settings/Application Data"
	}
	s = strings.ReplaceAll(strings.Trim(s, "\" "), `\`, "/")
	for _, v := range []struct{ name, path string }{
		{"%userprofile%", ""}, {"%appdata%", roaming}, {"%localappdata%", local}, {"%temp%", strings.TrimSuffix(local, "/Application Data") + "/Temp"}, {"%tmp%", strings.TrimSuffix(local, "/Application Data") + "/Temp"},
		{"%homedrive%%homepath%", ""},
	} {
		if n := len(v.name); len(s) >= n && strings.EqualFold(s[:n], v.name) {
			return h.Profile + v.path + s[n:]
		}
	}
	return ""
}

// onlyUser is the one account of a domain or machine in an access list, or "".
func onlyUser(descriptor []byte) string {
	le := func(b []byte, n int) (x uint64) {
		for i := n - 1; i >= 0; i-- {
			x = x<<8 | uint64(b[i])
		}
		return x
	}
	if len(descriptor) < 20 {
		return ""
	}
	at := int64(le(descriptor[16:], 4)) // the DACL
	if at <= 0 || at+8 > int64(len(descriptor)) {
		return ""
	}
	acl := descriptor[at:]
	only := ""
	for n, off := int(le(acl[4:], 2)), 8; n > 0 && off+8 <= len(acl); n-- {
		size := int(le(acl[off+2:], 2))
		if size < 8 || off+size > len(acl) {
			return only
		}
		if sid := SID(acl[off+8 : off+size]); strings.HasPrefix(sid, "S-1-5-21-") {
			if only != "" && only != sid {
				return ""
			}
			only = sid
		}
		off += size
	}
	return only
}

// SID prints a security identifier ([MS-DTYP] 2.4.2.2), or "" where it does
// not fit.
func SID(b []byte) string {
	if len(b) < 8 || int(b[1])*4+8 > len(b) || b[1] > 15 {
		return ""
	}
	var auth uint64
	for _, x := range b[2:8] {
		auth = auth<<8 | uint64(x)
	}
	s := "S-" + strconv.Itoa(int(b[0])) + "-" + strconv.FormatUint(auth, 10)
	for i := 0; i < int(b[1]); i++ {
		p := b[8+4*i:]
		s += "-" + strconv.FormatUint(uint64(p[0])|uint64(p[1])<<8|uint64(p[2])<<16|uint64(p[3])<<24, 10)
	}
	return s
}

// controlSets lists the sets and marks the one that Select names as current.
func (h *Hive) controlSets() {
	current := -1
	if k, err := h.Hive.Lookup("Select"); err == nil {
		if v, err := k.Value("Current"); err == nil {
			if n, ok := v.Uint(); ok && n < 1000 {
				current = int(n)
			}
		}
	}
	root, err := h.Hive.Root()
	if err != nil {
		return
	}
	for k, err := range root.Subkeys() {
		if err == nil && len(k.Name) == 13 && strings.EqualFold(k.Name[:10], "ControlSet") {
			n, nerr := strconv.Atoi(k.Name[10:])
			h.Sets = append(h.Sets, ControlSet{k.Name, nerr == nil && n == current})
		}
	}
}

// CurrentSet tells of a path of a SYSTEM hive whether it is in the current
// set; set is "" where it is in none.
func (h *Hive) CurrentSet(path string) (set string, current bool) {
	for _, s := range h.Sets {
		if len(path) >= len(s.Name) && strings.EqualFold(path[:len(s.Name)], s.Name) {
			return s.Name, s.Current
		}
	}
	return "", false
}

// Name is a key's path as the registry shows it.
func (h *Hive) Name(k *regf.Key) string {
	if p := k.Path(); p != "" {
		return h.Root + `\` + p
	}
	return h.Root
}

// Find yields the keys that a pattern names: names parted by a backslash,
// without regard to case, * for any name; CCS at its begin for every control
// set. What cannot be read on the way is a problem of in.
func (h *Hive) Find(in *Input, pattern string) iter.Seq[*regf.Key] {
	return func(yield func(*regf.Key) bool) {
		root, err := h.Hive.Root()
		if err != nil {
			in.Problem(problem.Malformed, problem.Lost, err)
			return
		}
		rest, inSet := strings.CutPrefix(pattern, `CCS\`)
		if !inSet {
			h.find(in, root, pattern, yield)
			return
		}
		for _, s := range h.Sets {
			if !h.find(in, root, s.Name+`\`+rest, yield) {
				return
			}
		}
	}
}

func (h *Hive) find(in *Input, k *regf.Key, pattern string, yield func(*regf.Key) bool) bool {
	fixed, rest, any := strings.Cut(pattern, "*")
	if fixed != "" {
		sub, err := k.Lookup(fixed)
		if err != nil {
			if !errors.Is(err, regf.ErrNoKey) {
				in.Problem(problem.Malformed, problem.Lost, err)
			}
			return true
		}
		k = sub
	}
	if !any {
		return yield(k)
	}
	rest = strings.TrimPrefix(rest, `\`)
	for sub, err := range k.Subkeys() {
		if err != nil {
			in.Problem(problem.Malformed, problem.Lost, err)
			continue
		}
		if rest == "" {
			if !yield(sub) {
				return false
			}
		} else if !h.find(in, sub, rest, yield) {
			return false
		}
	}
	return true
}

// Values yields the values of a key; what cannot be read is a problem of in
// and counted as failed.
func (h *Hive) Values(in *Input, k *regf.Key) iter.Seq[regf.Value] {
	return func(yield func(regf.Value) bool) {
		for v, err := range k.Values() {
			if err != nil {
				in.Problem(problem.Malformed, problem.Lost, err)
				in.Counts.Declared++
				in.Counts.Failed++
				continue
			}
			if !yield(v) {
				return
			}
		}
	}
}

// Text is the text of a named value, or "".
func Text(k *regf.Key, name string) string {
	v, err := k.Value(name)
	if err != nil {
		return ""
	}
	s, _ := v.Text()
	return s
}

// Number is the number of a named value.
func Number(k *regf.Key, name string) (uint64, bool) {
	v, err := k.Value(name)
	if err != nil {
		return 0, false
	}
	return v.Uint()
}

// Data is the content of a named value, or nil.
func Data(k *regf.Key, name string) []byte {
	v, err := k.Value(name)
	if err != nil {
		return nil
	}
	b, err := v.Data()
	if err != nil {
		return nil
	}
	return b
}
