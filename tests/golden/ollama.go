// Renders Ollama's templates, as beyond/export/ollama.ts has them, with Go's own text/template:
//
//	go run tests/golden/ollama.go tests/golden/ollama.json
//
// The file holds templates and conversations, {templates: {name: text}, conversations: [[{role, content}]]}; what
// the templates make of the conversations is written back as `texts`: {name: [text]}.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type Golden struct {
	Templates     map[string]string   `json:"templates"`
	Conversations [][]Message         `json:"conversations"`
	Texts         map[string][]string `json:"texts"`
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	var golden Golden
	data, err := os.ReadFile(os.Args[1])
	must(err)
	must(json.Unmarshal(data, &golden))
	golden.Texts = map[string][]string{}
	for name, text := range golden.Templates {
		parsed, err := template.New(name).Parse(text)
		must(err)
		for _, messages := range golden.Conversations {
			// as Ollama hands them over: all turns, and the last ones of each kind
			values := map[string]any{"Messages": messages, "System": "", "Prompt": "", "Response": ""}
			for _, message := range messages {
				switch message.Role {
				case "system":
					values["System"] = message.Content
				case "user":
					values["Prompt"] = message.Content
				}
			}
			var out strings.Builder
			must(parsed.Execute(&out, values))
			golden.Texts[name] = append(golden.Texts[name], out.String())
		}
	}
	file, err := os.Create(os.Args[1])
	must(err)
	encoder := json.NewEncoder(file)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	must(encoder.Encode(golden))
	must(file.Close())
}
