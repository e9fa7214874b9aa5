package trace

import (
	"path"
	"strings"
	"unicode"

	"kanshiki/forensics/artifact"
)

// Key brings a path, however a record writes it, into one form for comparing:
// lower case, "/" between names, from the root of its volume; without drive
// letter, device or volume name. Records name volumes in too many ways to tell
// them apart here; the entry reference does that.
func Key(p string, m *artifact.Machine, userSID string) string {
	p = strings.ToLower(strings.ReplaceAll(strings.TrimSpace(strings.Trim(p, `"`)), `\`, "/"))
	for _, prefix := range []string{"//?/", "/??/", "//./", "/globalroot"} {
		p = strings.TrimPrefix(p, prefix)
	}
	p = expand(p, m, userSID)
	p = strings.TrimPrefix(p, "/")
	switch {
	case strings.HasPrefix(p, "device/harddiskvolume"), strings.HasPrefix(p, "volume{"):
		first := strings.TrimPrefix(p, "device/")
		if _, rest, ok := strings.Cut(first, "/"); ok {
			p = rest
		}
	case len(p) > 1 && p[1] == ':' && p[0] >= 'a' && p[0] <= 'z':
		p = p[2:]
	}
	p = strings.TrimPrefix(p, "/")
	if strings.HasPrefix(p, "systemroot/") {
		p = "windows/" + p[len("systemroot/"):]
	}
	if p == "" || strings.HasPrefix(p, "/") { // a share
		return p
	}
	return path.Clean(p)
}

// places of the variables that start places use. The profile's own are taken
// from the account whose hive names them.
var variables = map[string]string{
	"%systemroot%": "windows", "%windir%": "windows", "%systemdrive%": "", "%programfiles%": "program files",
	"%programfiles(x86)%": "program files (x86)", "%commonprogramfiles%": "program files/common files",
	"%programdata%": "programdata", "%allusersprofile%": "programdata", "%public%": "users/public", "%programw6432%": "program files",
}

var profileVariables = map[string]string{
	"%userprofile%": "", "%appdata%": "/appdata/roaming", "%localappdata%": "/appdata/local",
	"%temp%": "/appdata/local/temp", "%tmp%": "/appdata/local/temp",
}

func expand(p string, m *artifact.Machine, userSID string) string {
	if !strings.HasPrefix(p, "%") {
		return p
	}
	end := strings.IndexByte(p[1:], '%')
	if end < 0 {
		return p
	}
	name, rest := p[:end+2], p[end+2:]
	if v, ok := variables[name]; ok {
		return v + rest
	}
	if v, ok := profileVariables[name]; ok && m != nil {
		if u, ok := m.Users[userSID]; ok && u.Profile != "" {
			return strings.ToLower(u.Profile) + v + rest
		}
	}
	return p
}

// Command splits a command line into the program that it starts and the rest.
// A path with spaces and without quotes is cut where a program's ending ends,
// which is how Windows itself tries it.
func Command(line string) (program, arguments string) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, `"`) {
		if end := strings.IndexByte(line[1:], '"'); end >= 0 {
			return line[1 : 1+end], strings.TrimSpace(line[2+end:])
		}
		return line[1:], ""
	}
	low := strings.ToLower(line)
	best := -1
	for _, e := range programEndings {
		for from := 0; ; {
			i := strings.Index(low[from:], e)
			if i < 0 {
				break
			}
			end := from + i + len(e)
			if (end == len(low) || low[end] == ' ' || low[end] == ',') && (best < 0 || end < best) {
				best = end
			}
			from = end
		}
	}
	if best < 0 || len(low) != len(line) { // folding changed lengths: cut by spaces
		p, a, _ := strings.Cut(line, " ")
		return p, strings.TrimSpace(a)
	}
	return line[:best], strings.TrimSpace(line[best:])
}

var programEndings = []string{".exe", ".dll", ".scr", ".com", ".pif", ".bat", ".cmd", ".vbs", ".vbe", ".js", ".jse", ".wsf", ".ps1", ".cpl", ".sys", ".hta", ".msi", ".ocx", ".lnk"}

// isProgram tells by a name's ending whether Windows would run it.
func isProgram(key string) bool {
	for _, e := range programEndings {
		if strings.HasSuffix(key, e) && e != ".lnk" {
			return true
		}
	}
	return false
}

var documentEndings = []string{".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".pdf", ".jtd", ".txt", ".rtf", ".csv", ".odt", ".ods", ".jpg", ".jpeg", ".png", ".tif", ".htm", ".html", ".xps", ".eml", ".msg"}

func isDocument(key string) bool { return hasEnding(key, documentEndings) }

var archiveEndings = []string{".zip", ".rar", ".7z", ".cab", ".lzh", ".tar", ".gz", ".tgz", ".r00", ".001"}

func isArchive(key string) bool { return hasEnding(key, archiveEndings) }

func hasEnding(key string, endings []string) bool {
	e := path.Ext(key)
	for _, x := range endings {
		if e == x {
			return true
		}
	}
	return false
}

// liesBy says how a program's name hides what it is, or "".
func liesBy(name string) string {
	base := path.Base(strings.ReplaceAll(name, `\`, "/"))
	low := strings.ToLower(base)
	if !isProgram(low) {
		return ""
	}
	for _, r := range base {
		if r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200F || r == 0x200E {
			return "direction override"
		}
	}
	stem := strings.TrimSuffix(low, path.Ext(low))
	bare := strings.TrimRightFunc(stem, unicode.IsSpace)
	if strings.Contains(stem, "      ") || strings.Contains(stem, "\u3000\u3000\u3000") {
		return "run of spaces"
	}
	if isDocument(bare) && path.Ext(bare) != ".htm" && path.Ext(bare) != ".html" {
		return "a document's ending before the program's"
	}
	return ""
}

// userPlace tells whether ordinary accounts can write to the folder of a key.
func userPlace(key string) bool {
	dir := path.Dir(key)
	switch {
	case dir == ".": // the volume's root
		return true
	case under(key, "windows"):
		for _, w := range []string{"windows/temp", "windows/tasks", "windows/tracing", "windows/debug/wia", "windows/system32/spool/drivers/color"} {
			if under(key, w) {
				return true
			}
		}
		return false
	case under(key, "program files"), under(key, "program files (x86)"), under(key, "$windows.~bt"), under(key, "msocache"), under(key, "system volume information"):
		return false
	}
	return true
}

func under(key, dir string) bool { return strings.HasPrefix(key, dir+"/") }

// mailPlace tells whether a key lies where a mail client or an archive tool
// puts what was opened from a message or an archive.
func mailPlace(key string) bool {
	if strings.Contains(key, "/content.outlook/") || strings.Contains(key, "/temporary internet files/olk") || strings.Contains(key, "/windows live mail/") || strings.Contains(key, "/windows mail/") {
		return true
	}
	return archiveTemp(key)
}

// archiveTemp tells whether a key lies in a folder where an archive tool
// unpacks what is opened inside it.
func archiveTemp(key string) bool {
	i := strings.Index(key, "/temp/")
	if i < 0 {
		return false
	}
	first, _, more := strings.Cut(key[i+len("/temp/"):], "/")
	if !more {
		return false
	}
	return strings.HasPrefix(first, "temp") && strings.HasSuffix(first, ".zip") && strings.Contains(first, "_") ||
		strings.HasPrefix(first, "7z") || strings.HasPrefix(first, "rar$") || strings.HasPrefix(first, "wz")
}
