package store

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"kanshiki/forensics/event"
)

var errFields = errors.New("column fields is no JSON object as this store writes it")

// parseFields reads what event.AppendFields wrote, in its order.
func parseFields(s string) ([]event.Field, error) {
	if s == "" {
		return nil, nil
	}
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' {
		return nil, errFields
	}
	out := make([]event.Field, 0, strings.Count(s, `":`))
	for s = s[1 : len(s)-1]; s != ""; {
		name, rest, ok := jsonText(s)
		if !ok || rest == "" || rest[0] != ':' {
			return nil, errFields
		}
		rest = rest[1:]
		if rest == "" {
			return nil, errFields
		}
		if rest[0] == '"' {
			var v string
			if v, rest, ok = jsonText(rest); !ok {
				return nil, errFields
			}
			out = append(out, event.Str(name, v))
		} else {
			n := jsonEnd(rest)
			if n == 0 {
				return nil, errFields
			}
			out = append(out, event.Raw(name, strings.Clone(rest[:n])))
			rest = rest[n:]
		}
		if rest != "" {
			if rest[0] != ',' {
				return nil, errFields
			}
			rest = rest[1:]
		}
		s = rest
	}
	return out, nil
}

// jsonText reads a JSON string at the head of s.
func jsonText(s string) (text, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		return "", "", false
	}
	i := strings.IndexAny(s[1:], `"\`) + 1
	if i < 1 {
		return "", "", false
	}
	if s[i] == '"' {
		return strings.Clone(s[1:i]), s[i+1:], true
	}
	b := []byte(s[1:i])
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			return string(b), s[i+1:], true
		case c != '\\':
			b = append(b, c)
			i++
		case i+1 >= len(s):
			return "", "", false
		default:
			i++
			switch s[i] {
			case 'n':
				b = append(b, '\n')
			case 'r':
				b = append(b, '\r')
			case 't':
				b = append(b, '\t')
			case 'u':
				if i+4 >= len(s) {
					return "", "", false
				}
				u, err := strconv.ParseUint(s[i+1:i+5], 16, 16)
				if err != nil {
					return "", "", false
				}
				b = append(b, string(rune(u))...)
				i += 4
			default:
				b = append(b, s[i])
			}
			i++
		}
	}
	return "", "", false
}

// jsonEnd is the length of the value at the head of s.
func jsonEnd(s string) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(s)
}

// restoreRaw puts the exact bytes of texts that are no UTF-8 back.
func restoreRaw(e *event.Event, raw string) error {
	list, err := parseFields(raw)
	if err != nil {
		return err
	}
	for _, f := range list {
		b, err := hex.DecodeString(f.Text())
		if err != nil {
			return errFields
		}
		if to := textTarget(e, f.Name); to != nil {
			*to = string(b)
		}
	}
	return nil
}
