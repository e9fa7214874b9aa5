package artifact

import (
	"encoding/binary"
	"strconv"
	"strings"

	"kanshiki/forensics/event"
	"kanshiki/parsers/regf"
)

// Learn takes from a hive what it says of the machine: SYSTEM gives name,
// zone, current control set and last shutdown, SOFTWARE the version, the time
// of installation and the accounts with their profiles. Other hives add
// nothing. What is not there stays as it was.
func (m *Machine) Learn(h *Hive) {
	switch h.Kind {
	case HiveSystem:
		m.learnSystem(h)
	case HiveSoftware:
		m.learnVersion(h)
		m.learnProfiles(h)
	}
}

func (m *Machine) learnSystem(h *Hive) {
	set := ""
	for _, s := range h.Sets {
		if s.Current || set == "" {
			set = s.Name
		}
		if s.Current {
			m.ControlSet, _ = strconv.Atoi(s.Name[10:])
		}
	}
	if k, err := h.Lookup(set + `\Control\ComputerName\ComputerName`); err == nil {
		if s := Text(k, "ComputerName"); s != "" {
			m.Name = s
		}
	}
	if k, err := h.Lookup(set + `\Control\TimeZoneInformation`); err == nil {
		if z := ReadZone(k); z.Known() {
			m.Zone = z
		}
	}
	if k, err := h.Lookup(set + `\Control\Windows`); err == nil {
		if b := Data(k, "ShutdownTime"); len(b) == 8 {
			m.Shutdown = event.Ticks(binary.LittleEndian.Uint64(b))
		}
	}
}

// ReadZone reads the key TimeZoneInformation.
func ReadZone(k *regf.Key) Zone {
	z := Zone{Name: Text(k, "TimeZoneKeyName")}
	if z.Name == "" { // before Vista
		z.Name = Text(k, "StandardName")
	}
	minutes := func(name string) int {
		n, _ := Number(k, name)
		return int(int32(n))
	}
	bias, ok := Number(k, "Bias")
	if !ok {
		return Zone{}
	}
	z.Bias = int(int32(bias))
	if z.Name == "" {
		z.Name = "bias " + strconv.Itoa(z.Bias)
	}
	z.Standard, z.Daylight = readRule(Data(k, "StandardStart")), readRule(Data(k, "DaylightStart"))
	z.Standard.Bias, z.Daylight.Bias = minutes("StandardBias"), minutes("DaylightBias")
	return z
}

// readRule reads the TIME_FIELDS of this key, whose order is not that of a
// SYSTEMTIME: year, month, day, hour, minute, second, milliseconds, weekday.
func readRule(b []byte) Rule {
	if len(b) < 16 {
		return Rule{}
	}
	w := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	r := Rule{Year: w(0), Month: w(1), Day: w(2), Hour: w(3), Minute: w(4), Second: w(5), Weekday: w(7)}
	if r.Month > 12 || r.Day > 31 || r.Hour > 23 || r.Minute > 59 || r.Second > 59 || r.Weekday > 6 || r.Month > 0 && r.Day == 0 {
		return Rule{}
	}
	return r
}

func (m *Machine) learnVersion(h *Hive) {
	k, err := h.Lookup(`Microsoft\Windows NT\CurrentVersion`)
	if err != nil {
		return
	}
	if s := Text(k, "ProductName"); s != "" {
		m.Product = s
	}
	if s := Text(k, "CurrentVersion"); s != "" {
		m.Version = s
	}
	if major, ok := Number(k, "CurrentMajorVersionNumber"); ok { // 10 and later leave CurrentVersion at 6.3
		minor, _ := Number(k, "CurrentMinorVersionNumber")
		m.Version = strconv.FormatUint(major, 10) + "." + strconv.FormatUint(minor, 10)
	}
	for _, name := range []string{"CurrentBuildNumber", "CurrentBuild"} {
		if n, err := strconv.Atoi(Text(k, name)); err == nil {
			m.Build = n
			break
		}
	}
	if n, ok := Number(k, "InstallDate"); ok && n != 0 && n < 1<<32 {
		m.Installed = event.Ticks(n*10000000 + 116444736000000000)
	}
}

func (m *Machine) learnProfiles(h *Hive) {
	list, err := h.Lookup(`Microsoft\Windows NT\CurrentVersion\ProfileList`)
	if err != nil {
		return
	}
	for k, err := range list.Subkeys() {
		if err != nil || !strings.HasPrefix(k.Name, "S-1-") {
			continue
		}
		u := User{Profile: VolumePath(Text(k, "ProfileImagePath")), Roaming: Text(k, "CentralProfile") != ""}
		u.Name = u.Profile[strings.LastIndexByte(u.Profile, '/')+1:]
		if u.Name == "" {
			continue
		}
		if m.Users == nil {
			m.Users = map[string]User{}
		}
		m.Users[k.Name] = u
	}
}

// variables of every Windows, as paths of the system's drive; the drive is C:
// but where a value says another one.
var variables = []struct{ name, path string }{
	{"%systemroot%", `C:\Windows`}, {"%windir%", `C:\Windows`}, {"%systemdrive%", `C:`}, {"%programfiles(x86)%", `C:\Program Files (x86)`},
	{"%programfiles%", `C:\Program Files`}, {"%programw6432%", `C:\Program Files`}, {"%programdata%", `C:\ProgramData`},
	{"%allusersprofile%", `C:\ProgramData`}, {"%commonprogramfiles%", `C:\Program Files\Common Files`}, {"%public%", `C:\Users\Public`},
	{`\systemroot\`, `C:\Windows\`}, {`\??\`, ``}, {`\\?\`, ``},
}

// Expand replaces the variables that are the same on every Windows, and the
// prefixes of the object manager. Variables of a user stay as they are.
func Expand(s string) string {
	low := strings.ToLower(s)
	for _, v := range variables {
		if i := strings.Index(low, v.name); i >= 0 && (i == 0 || v.name[0] == '%') {
			s = s[:i] + v.path + s[i+len(v.name):]
			low = strings.ToLower(s)
		}
	}
	return s
}

// VolumePath turns a path of drive C: into the form of this project: from the
// volume's root, "/" between names. Other paths give "": which volume another
// letter was is for MountedDevices to say.
func VolumePath(s string) string {
	s = Expand(strings.Trim(s, "\" "))
	if len(s) < 3 || s[0]|0x20 != 'c' || s[1] != ':' || s[2] != '\\' && s[2] != '/' {
		return ""
	}
	return strings.Trim(strings.ReplaceAll(s[3:], `\`, "/"), "/")
}

// PathOf is VolumePath, or the path as it is recorded where it names another
// drive or a share; a bare name is no path.
func PathOf(s string) string {
	if p := VolumePath(s); p != "" {
		return p
	}
	s = Expand(strings.Trim(s, "\" "))
	if len(s) > 3 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') || len(s) > 2 && s[:2] == `\\` {
		return s
	}
	return ""
}

// DevicePath is the path on the volume behind \Device\HarddiskVolumeN\, where
// it begins as paths of the system's volume do, else PathOf; which volume N was
// is not known here.
func DevicePath(s string) string {
	const device = `\device\harddiskvolume`
	if !prefixFold(s, device) {
		return PathOf(s)
	}
	_, tail, ok := strings.Cut(s[len(device):], `\`)
	if !ok {
		return PathOf(s)
	}
	for _, top := range []string{`windows\`, `users\`, `program files\`, `program files (x86)\`, `programdata\`} {
		if prefixFold(tail, top) {
			return strings.ReplaceAll(tail, `\`, "/")
		}
	}
	return ""
}

// prefixFold does not count in a lowered copy, which may be of another length.
func prefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// launchers start what their first argument names; that is then the program
// of interest.
var launchers = map[string]bool{
	"rundll32": true, "regsvr32": true, "wscript": true, "cscript": true, "mshta": true, "cmd": true, "powershell": true, "pwsh": true,
	"msiexec": true, "svchost": false, "explorer": true, "start": true, "forfiles": true, "javaw": true, "java": true, "python": true,
}

// Program finds in a command line the program it starts, as a path with its
// variables expanded, and, where that is one of Windows' own launchers with a
// file as argument, that file, with the launcher beside it.
func Program(command string) (program, launcher string) {
	program, rest := firstWord(strings.TrimSpace(Expand(command)))
	base := strings.ToLower(program[strings.LastIndexAny(program, `\/`)+1:])
	if !launchers[strings.TrimSuffix(base, ".exe")] {
		return program, ""
	}
	for rest != "" {
		var word string
		word, rest = firstWord(strings.TrimSpace(rest))
		if word == "" {
			break
		}
		if word[0] == '/' || word[0] == '-' {
			continue
		}
		word, _, _ = strings.Cut(strings.Trim(word, `"`), ",") // rundll32 file,function
		if strings.ContainsAny(word, `\/`) || strings.Contains(word, ".") {
			return word, program
		}
	}
	return program, ""
}

// firstWord splits off the program of a command line as CreateProcess would
// look for it: quoted, or up to the first ending of a program, or the first
// blank.
func firstWord(s string) (word, rest string) {
	if strings.HasPrefix(s, `"`) {
		word, rest, _ = strings.Cut(s[1:], `"`)
		return word, rest
	}
	low := strings.ToLower(s)
	best := -1
	if !strings.HasPrefix(s, `\`) && !strings.HasPrefix(s, "%") && !(len(s) > 2 && s[1] == ':') { // no path: nothing to guess
		word, rest, _ = strings.Cut(s, " ")
		return word, rest
	}
	for _, end := range []string{".exe", ".dll", ".com", ".bat", ".cmd", ".scr", ".sys", ".ocx", ".cpl", ".vbs", ".js", ".ps1", ".hta", ".msi", ".pif", ".drv", ".vsto", ".xll", ".xla", ".wll", ".jar", ".lnk"} {
		for from := 0; ; {
			i := strings.Index(low[from:], end)
			if i < 0 {
				break
			}
			stop := from + i + len(end)
			if stop == len(s) || s[stop] == ' ' || s[stop] == ',' || s[stop] == '|' || s[stop] == '"' || s[stop] == '\t' {
				if best < 0 || stop < best {
					best = stop
				}
				break
			}
			from = stop
		}
	}
	if best < 0 {
		word, rest, _ = strings.Cut(s, " ")
		return word, rest
	}
	return s[:best], s[best:]
}
