#!/usr/bin/env python3
"""make_template_cases.py -- what jinja2 makes of chat templates with the settings of transformers: writes tests/templates/cases.json.

    python3 tests/oracles/make_template_cases.py > tests/templates/cases.json

The templates are ours, in the shapes in which models have them. A case that is an error in Python has no `text`."""
import json

from transformers.utils.chat_template_utils import _compile_jinja_template

S, U, A = ({"role": r, "content": c} for r, c in (("system", "Be brief. "), ("user", " Hello, Wörld!\n"), ("assistant", "Hi <there> & 'you'")))
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "call12345", "type": "function", "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 3, "exact": True, "x": 1.50, "n": None}}}]}
RESULT = {"role": "tool", "name": "weather", "tool_call_id": "call12345", "content": '{"temp": 7.0}'}
THINK = {"role": "assistant", "content": "<think>\nwell\n</think>\n\nIt is 4.", "reasoning_content": "well"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "image"}]}
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Tells the \"weather\"", "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["a", "b"]}, "days": {"type": "integer"}}, "required": ["city"]}}},
         {"type": "function", "function": {"name": "time", "description": "", "parameters": {"type": "object", "properties": {}}}}]
CHATS = {"one": [U], "system": [S, U], "turns": [S, U, A, U, A, U], "call": [U, CALL, RESULT], "after": [S, U, CALL, RESULT, A, U], "think": [U, THINK, U], "parts": [PARTS], "wrong": [A, U, U], "empty": []}

T = {}
T["chatml"] = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
T["chatml-default"] = "{% if messages[0]['role'] != 'system' %}{% set messages = [{'role': 'system', 'content': 'You help.'}] + messages %}{% endif %}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim if m.content else '' }}<|im_end|>\n{% endfor %}"
T["llama2"] = "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
T["llama3"] = "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
T["llama31"] = """{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{%- set date_string = "26 Jul 2024" %}{%- endif %}
{%- endif %}
{%- if not tools is defined %}{%- set tools = none %}{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content']|trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\nToday: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|' + message['role'] + '|>' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- tool_call.name + "(" }}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' ~ arg_val ~ '"' }}{%- if not loop.last %}{{- ", " }}{%- endif %}
        {%- endfor %}
        {{- ")<|eom_id|>" }}
    {%- else %}
        {%- if message.content is mapping or message.content is iterable %}{{- message.content | tojson }}{%- else %}{{- message.content }}{%- endif %}
    {%- endif %}
{%- endfor %}
"""
T["mistral"] = "{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('user/assistant') }}{% endif %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token}}{% endif %}{% endfor %}"
T["mistral-v3"] = """{%- set user_messages = messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{{- bos_token }}
{%- for message in messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}{{- '"' + key + '": "' + val + '"' }}{%- else %}{{- '"' + key + '": ' + val|tojson }}{%- endif %}
                    {%- if not loop.last %}{{- ", " }}{%- endif %}
                {%- endfor %}
                {{- "}}" }}{%- if not loop.last %}{{- ", " }}{%- else %}{{- "]" }}{%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {{- "[INST] " + message["content"] + "[/INST]" }}
    {%- elif message.tool_calls is defined and message.tool_calls is not none %}
        {{- "[TOOL_CALLS] [" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}{{- raise_exception("ids have 9 letters") }}{%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
        {%- endfor %}
        {{- "]" + eos_token }}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token}}
    {%- elif message["role"] in ["tool_results", "tool"] %}
        {%- set content = message.content.content if message.content is mapping and message.content.content is defined else message.content %}
        {{- '[TOOL_RESULTS] {"content": ' + content|string + ', "call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("unknown role " ~ message.role) }}
    {%- endif %}
    {%- set ns.index = ns.index + 1 %}
{%- endfor %}
"""
T["gemma"] = "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}{% for message in messages %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model\n'}}{% endif %}"
T["gemma3"] = """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}{%- set first = messages[0]['content'] + '\n\n' -%}{%- else -%}{%- set first = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}{%- set first = "" -%}{%- set loop_messages = messages -%}{%- endif -%}
{%- for message in loop_messages -%}
    {{ '<start_of_turn>' + message['role'] + '\n' + (first if loop.first else "") }}
    {%- if message['content'] is string -%}{{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}
    {%- else -%}{{ raise_exception("Invalid content type") }}{%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
"""
T["phi3"] = "{% for message in messages %}{% if message['role'] == 'system' %}{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
T["qwen25"] = """{%- if tools %}
    {{- '<|im_start|>system\\n' }}{%- if messages[0]['role'] == 'system' %}{{- messages[0]['content'] }}{%- else %}{{- 'You are Q.' }}{%- endif %}
    {{- "\\n\\n# Tools\\n<tools>" }}{%- for tool in tools %}{{- "\\n" }}{{- tool | tojson }}{%- endfor %}{{- "\\n</tools><|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}{%- else %}{{- '<|im_start|>system\\nYou are Q.<|im_end|>\\n' }}{%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}{%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' }}{{- tool_call.name }}{{- '", "arguments": ' }}{{- tool_call.arguments | tojson }}{{- '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if (loop.index0 == 0) or (messages[loop.index0 - 1].role != "tool") %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' }}{{- message.content }}{{- '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
"""
T["qwen3"] = """{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}{%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{%- set content = message.content %}{%- else %}{%- set content = '' %}{%- endif %}
    {%- set reasoning_content = '' %}
    {%- if message.reasoning_content is string %}{%- set reasoning_content = message.reasoning_content %}
    {%- elif '</think>' in content %}
        {%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
    {%- endif %}
    {%- if '</think>' in content %}{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}
    {{- '<|' + message.role + '|>' }}{%- if loop.index0 > ns.last_query_index or loop.last %}{{- '<think>' + reasoning_content.strip('\\n') + '</think>' }}{%- endif %}{{- content }}
{%- endfor %}
{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think></think>' }}{%- endif %}
"""
T["deepseek-r1"] = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='') %}{%- for message in messages %}{%- if message['role'] == 'system' %}{% set ns.system_prompt = message['content'] %}{%- endif %}{%- endfor %}{{bos_token}}{{ns.system_prompt}}{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<|User|>' + message['content']}}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}{%- for tool in message['tool_calls']%}{%- if not ns.is_first %}{{'<|calls|>' + tool['type'] + '|' + tool['function']['name'] + '\n```json\n' + tool['function']['arguments']|tojson + '\n```'}}{%- set ns.is_first = true -%}{%- endif %}{%- endfor %}{%- endif %}{%- if message['role'] == 'assistant' and message['content'] is not none %}{% set content = message['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{'<|Assistant|>' + content + '<|eos|>'}}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{{'<|out|>' + message['content']}}{%- endif %}{%- endfor -%}{% if add_generation_prompt and not ns.is_tool %}{{'<|Assistant|>'}}{% endif %}"
T["command-r"] = """{%- macro json_to_python_type(json_spec) %}
{%- set basic = {"string": "str", "number": "float", "integer": "int", "boolean": "bool"} %}
{%- if basic[json_spec.type] is defined %}{{- basic[json_spec.type] }}
{%- elif json_spec.type == "array" %}{{- "List[" + json_to_python_type(json_spec.items) + "]" }}
{%- elif json_spec.type is iterable and json_spec.type is not string %}{{- "Union[" }}{%- for t in json_spec.type %}{{- json_to_python_type({"type": t}) }}{%- if not loop.last %}{{- "," }}{%- endif %}{%- endfor %}{{- "]" }}
{%- else %}{{- "Any" }}{%- endif %}
{%- endmacro %}
{%- if tools %}{%- for tool in tools %}{{ tool.function.name }}({%- for p, spec in tool.function.parameters.properties.items() %}{{ p }}: {{ json_to_python_type(spec) }}{% if p not in tool.function.parameters.required %} = None{% endif %}{% if not loop.last %}, {% endif %}{%- endfor %})
{% endfor %}{%- endif %}
{%- for m in messages %}{{ m.role | title }}: {{ m.content or '-' }}
{% endfor %}"""
T["hermes"] = "{% for t in tools or [] %}{{ t.function | tojson(sort_keys=true) }}\n{% else %}no tools\n{% endfor %}{% for m in messages if m.role != 'system' %}{{ loop.index }}.{{ loop.revindex }} {{ m.role }}{% if m.tool_calls %}{% for c in m.tool_calls %} <tool_call>{{ c.function.arguments | tojson(separators=(',', ':')) }}</tool_call>{% endfor %}{% else %} {{ m.content }}{% endif %}\n{% endfor %}"
T["granite"] = "{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content'] %}{%- set loop_messages = messages[1:] %}{%- else %}{%- set system_message = \"Knowledge cutoff.\" %}{%- if tools and documents %}{%- set system_message = system_message + ' both' %}{%- elif tools %}{%- set system_message = system_message + ' tools' %}{%- endif %}{%- set loop_messages = messages %}{%- endif %}{{- '<|r|>system' + system_message + '<|e|>\\n' }}{%- for message in loop_messages %}{{- '<|r|>' + message['role'] + '<|/r|>' }}{%- if message['content'] is none %}{{ message.tool_calls }}{% else %}{{- message['content'] }}{% endif %}{{ '<|e|>\\n' }}{%- if loop.last and add_generation_prompt %}{{- '<|r|>assistant' }}{%- if controls %}{{- ' ' + controls | tojson() }}{%- endif %}{%- endif %}{%- endfor %}"
T["smollm3"] = "{% generation %}{% set x = 'inner' %}{{ messages | length }}{% endgeneration %}{{ x | default('unset') }}{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{% if loop.index > 4 %}{% break %}{% endif %}{% generation %}{{ m.content | string | trim }}{% endgeneration %}|{% endfor %}"
T["olmo"] = "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' and not loop.last %}{{ '<|assistant|>\n' + message['content'] + eos_token + '\n' }}{% elif message['role'] == 'assistant' and loop.last %}{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}"
T["zephyr"] = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n{{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n{{ '<|system|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'assistant' %}\n{{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n{% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}"
T["vicuna"] = "{% if not messages[0].role == 'system' %}A chat. {% else %}{{ messages[0].content.rstrip() }} {% endif %}{% for m in messages %}{% if m.role == 'user' %}USER: {{ m.content.strip() }} {% elif m.role == 'assistant' %}ASSISTANT: {{ (m.content or '').strip() }}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
T["falcon"] = "{% for message in messages %}{% if not loop.first %}{{ '\n' }}{% endif %}{{ message['role'] | capitalize }}: {{ message['content'] | default('', true) | replace('\n', ' ') | trim }}{% endfor %}{{ '\nFalcon:' if add_generation_prompt }}"
T["harmony"] = """{%- macro render_type(spec, required) -%}
    {%- if spec.type == 'string' -%}{%- if spec.enum -%}"{{ spec.enum | join('" | "') }}"{%- else -%}string{%- endif -%}
    {%- elif spec.type == 'object' and spec.properties is defined -%}
        {{- "{\\n" }}
        {%- for name, p in spec.properties.items() -%}
            {{ name ~ ('' if name in (required or []) else '?') ~ ': ' }}{{ render_type(p, p.required or []) }}{{- ',\\n' if not loop.last }}
        {%- endfor -%}
        {{- "}" }}
    {%- elif spec.type in ['number', 'integer'] -%}number{%- else -%}any{%- endif -%}
{%- endmacro -%}
{%- if tools %}{{- "namespace functions {\\n" }}{%- for tool in tools %}{%- set tool = tool.function %}{{- "type " + tool.name + " = (_: " }}{{- render_type(tool.parameters, tool.parameters.required) }}{{- ") => any;\\n" }}{%- endfor %}{{- "}" }}{%- endif -%}
{%- for message in messages -%}
    {%- if message.role == 'assistant' and "tool_calls" in message -%}{{- "<|start|>assistant to=functions." ~ message.tool_calls[0].function.name ~ "<|message|>" ~ message.tool_calls[0].function.arguments|tojson ~ "<|call|>" }}
    {%- else -%}{{- "<|start|>" ~ message.role ~ "<|message|>" ~ message.content ~ "<|end|>" }}{%- endif -%}
{%- endfor -%}"""
T["call-block"] = "{% macro box(title, n=2) %}[{{ title }}:{{ caller(n) }}]{% endmacro %}{% for m in messages %}{% call(k) box(m.role, n=loop.index) %}{{ k * 2 }}{{ m.role[0] }}{% endcall %}{% endfor %}{% macro v(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ v(1, 2, 3, x='y') }}"
T["recursive"] = "{% for k, v in ({'a': {'b': {'c': 1}}, 'd': 2}).items() recursive %}{{ loop.depth }}{{ k }}{% if v is mapping %}({{ loop(v.items()) }}){% else %}={{ v }}{% endif %}{% if not loop.last %},{% endif %}{% endfor %}"
T["scopes"] = "{% set x = 1 %}{% for m in messages %}{{ x }}{% set x = x + 1 %}{{ x }}{% endfor %}{{ x }}{% if messages %}{% set x = 9 %}{% endif %}{{ x }}{% with y = x, z = 2 %}{{ y + z }}{% set x = 0 %}{% endwith %}{{ x }}{% set b | upper %}block {{ x }}{% endset %}{{ b }}{% filter replace('a', 'b') | title %}banana x{% endfilter %}"
T["lines"] = "  {% if true %}\n  a\n   {# note #}\n    {%- if false %}x{% endif +%}\n  b\n  {%+ if true %}c{% endif %}\n{% raw %}  {{ no }} {% endraw %}\n\n  {{- ' d' }}\n  {% endif %}\n\n"
T["late"] = "{% for m in messages %}{{ bos_token }}{% endfor %}{% set bos_token = 'x' %}{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{% set c = 1 %}{% endif %}{{ c }};{% endfor %}"
T["lists"] = "{{ messages | map(attribute='role') | list }}{{ messages | map(attribute='role') | unique | join(',') }}{{ messages | groupby('role') | map('first') | join('/') }}{{ messages | selectattr('content', 'string') | map(attribute='content') | map('length') | sum }}{{ messages | rejectattr('content') | list | length }}{{ messages | batch(2, 'x') | map('length') | list }}{{ (messages | last).role if messages }}"

E = """1+2*3 7//2 -7//2 7%-3 -7%3 7/2 2**10 2**-1 1.5+1 0.1+0.2 1e16 1e15 1e-5 123456789.123 -7.5//2 -7.5%2 true+1 1==1.0 1<2<3 1<3<2 'a'<'b' [1]<[1,2] (1,2)==(1,2)
'abc'[1] 'abc'[-1] 'abc'[::-1] 'äöü'[1:] 'abcdef'[1:5:2] 'abcdef'[5:1:-2] [1,2,3][5] [1,2,3][1:] (1,2,3)[:2] 'abc'[9] 'a'*3 [0]*2 'a'~1~none~true [1]+[2] 'a'+1 1+'a' none+1 x x.y x+1 x==y x|default(5) none|default(5,true) ''|default('e',true)
'a,b,,c'.split(',') ' a  b '.split() 'a,b,c'.split(',',1) 'a,b,c'.rsplit(',',1) 'xxaxx'.strip('x') 'abc'.upper() 'ABC'.lower() 'heLLo wORLD'.title() 'heLLo-wORLD(foo'|title 'élan'|capitalize 'ß'.upper() 'ΑΣ'.lower() 'abc'.find('c') 'abc'.find('z') 'abc'.index('z') 'aXbX'.replace('X','-',1) 'abc'.replace('','-') 'a'.join(['1','2']) 'a'.join([1]) 'abc'.startswith('a') 'abc'.startswith(('x','a')) 'abc'.endswith('bc') 'a1'.isalnum() '12'.isdigit() 'ab'.islower() 'abc'.center(7,'*') 'abc'.ljust(5)~'|' '7'.zfill(3) 'a-b-c'.partition('-') 'a-b-c'.rpartition('-') 'pre-x'.removeprefix('pre-') 'aXa'.swapcase() 'a b'.encode() 'abcabc'.count('bc') 'a\\nb\\r\\nc'.splitlines()
[3,1,2]|sort ['b','A','c']|sort ['b','A']|sort(case_sensitive=true) [3,1]|sort(reverse=true) [1,'a']|sort {'b':1,'a':2}|dictsort {'b':1,'a':2}|dictsort(false,'value') [1,2,3]|sum [1.5,2]|sum [[1],[2]]|sum(start=[]) [1,2,3]|min [1,2,3]|max []|max [1,1,2]|unique|list [1,2,3]|first []|first [1,2,3]|last 'abc'|last [1,2]|reverse|list 'abc'|reverse 'abc'|list {'a':1}|list {'a':1}|length 5|length [1,2,3,4]|select('odd')|list [1,2,3]|reject('gt',1)|list [0,1]|select|list ['a']|map('upper')|list [{'a':1},{}]|map(attribute='a',default=7)|list [1,2,3]|batch(2)|list [1,2,3]|slice(2)|list [1,2]|join('-') [{'a':1}]|join(',',attribute='a') 'abc'|join('.')
'42'|int '4.7'|int 'x'|int 'x'|int(9) '0x1F'|int(0,16) '101'|int(base=2) 3.9|int true|int none|int '3.5'|float 'x'|float 2|float 2.5|round 3.5|round 2.675|round(2) 1234|round(-2) 2.1|round(0,'ceil') 2.19|round(1,'floor') -3|abs 3.0|abs 'a'|abs
'%s-%d-%5.2f-%x'|format('a',3,2.345,255) '%(a)s' % {'a':1} '%s' % [1,2] '%s %s' % (1,2) '%5s|%-5s|' % ('a','b') '%05d' % 42 '%+d' % 5 '%e' % 12345.678 '%g' % 0.0001 '%g' % 1e20 '%r' % 'a' '%%' % () '%s' % () '%d' % 'a' '{} {}'.format(1,2) '{1} {0}'.format(1,2) '{a}'.format(a=3) '{:>5}|{:<5}|{:^5}'.format(1,'a',2) '{:.2f} {:,}'.format(3.14159,1234567) '{0.a} {0[a]}'.format({'a':1}) '{!r}'.format('a') '{:05d} {:x}'.format(42,255) '{:e}'.format(1.5) '{'.format() '{}'.format()
{'a':[1,none,true,1.0,'é"'],1:2}|tojson {'b':1,'a':2}|tojson(sort_keys=true) 'é'|tojson(ensure_ascii=true) [1,{'a':[]}]|tojson(indent=2) [1]|tojson(separators=(',',':')) (1,2)|tojson x|tojson '<b>&'|tojson 1e400|tojson
'<b>'|e '<b>'|escape+'<' '<b>'|safe '<b>'|safe+'<' ('<'|safe)~'<' '&'|forceescape 'a b&c/ü'|urlencode 'a\\nb\\n\\nc'|indent 'a\\nb'|indent(2,true) 'a\\n\\nb'|indent(2,blank=true) 'a'|indent('>') 'foo bar baz'|truncate(9) 'foo bar baz qux'|truncate(9,true) 'foo bar'|truncate(3,leeway=0) 'a b, c'|wordcount 'abc'|center(9) 'xax'|trim('x') ' a '|trim 5|string|length
1 is odd 2 is even 4 is divisibleby(2) x is defined x is undefined none is none 1 is number true is number true is integer 1.0 is float 'a' is string [] is iterable {} is mapping 'a' is sequence 5 is iterable x is sequence 1 is eq(1) 1 is in([1]) 'A' is upper 'a' is lower 1 is sameas(1.0) none is sameas(none) 'int' is filter 'odd' is test range is callable true is true 0 is false 1 is not odd 3 is ge(3) 3 is lessthan(4) 'x' is boolean
1 in [1,2] 'a' in 'abc' 'a' in {'a':1} 1 not in [1] 1 in 'abc' 1 in none 1 in x 3 in range(5) 1 in (1,) not true not x true and 0 or 5 1 if false (1 if false) is defined 1 if true else 2
range(3) range(3)|list range(5,1,-2)|list range(3)[1] range(10)[2:8:3]|list range(1000001) {'a':1}.items() {'a':1}.keys()|list {'a':1}.values()|list {'a':1}.get('b') {'a':1}.get('b',2) {'a':1}.a {'items':1}.items {'items':1}['items'] {'a':1}.b {'a':1}['a'] [1].append(2) {'a':1}.update({}) dict(a=1,b=2) dict([('a',1)]) namespace(a=1).a namespace(a=1) ''.__class__ [1,2].index(2) [1,2].index(3) [1,1].count(1) (1,) () [] {} {'a':{'b':[1,'x']}} [true,none,1.5,'a\\'b'] 'a\\u200bé\\n'|list [x] 0.1 1.0 -0.0 1e22 1e21 5e-324 1_000 0x1f 0b11 0o17 9223372036854775807 'a' 'b' -2**2 2**3**2 -1|abs 'a' if x else 'b' [1,2,3][-2:] [[1,2],[3]]|map('length')|list 'abc'.foo joiner(',')() cycler(1,2).next() raise_exception('no') nofunc() 1|nofilter 1 is notest [1,2 (1 {{ 'a'.upper 1//0 1%0 1/0 2.0**3 0.5**2 10**20"""
EXPRESSIONS = []
for line in E.split("\n"):
    depth, quote, now = 0, None, ""
    for part in line.split(" "):
        now = f"{now} {part}" if now else part
        if now.count("'") % 2 == 0 and all(now.count(a) <= now.count(b) for a, b in ("()", "[]", "{}")):
            EXPRESSIONS.append(now)
            now = ""
    if now:
        EXPRESSIONS.append(now)
# Words that stand alone are pieces of longer expressions: those are listed here whole.
EXPRESSIONS += ["1 is odd", "2 is even", "4 is divisibleby 2", "x is defined", "x is undefined", "none is none", "true is number", "true is integer", "1.0 is float", "5 is iterable", "x is sequence", "x is iterable", "1 is in [1]", "'A' is upper", "none is sameas none", "'int' is filter", "range is callable", "1 is not odd", "3 is ge 3", "1 in [1, 2]", "'a' in 'abc'", "1 not in [1]", "1 in 'abc'", "1 in none", "1 in x", "3 in range(5)", "not x", "true and 0 or 5", "1 if false", "1 if true else 2", "(1 if false) is defined", "'a' 'b'", "'%s' % [1, 2]", "'%s %s' % (1, 2)", "'%05d' % 42", "'%e' % 12345.678", "'%g' % 0.0001", "'%g' % 1e20", "'%d' % 'a'", "'%s' % ()", "'%(a)s' % {'a': 1}", "1 < 2 < 3", "[1, 2]"]
VARIABLES = {"bos_token": "<s>", "eos_token": "</s>"}


def render(template, **values):
    try:
        return {"text": _compile_jinja_template(template).render(**values)}
    except RecursionError:
        raise
    except Exception:
        return {}


cases = []
for name, template in T.items():
    for chat, messages in CHATS.items():
        for tools in (None, TOOLS) if chat in ("one", "call", "after") else (None,):
            for add in (True, False) if chat in ("one", "turns") else (True,):
                got = render(template, messages=messages, tools=tools, documents=None, add_generation_prompt=add, **VARIABLES)
                cases.append({"name": f"{name}/{chat}{'+tools' if tools else ''}{'' if add else '-prompt'}", "template": name, "chat": chat, "tools": bool(tools), "prompt": add, **got})
for e in EXPRESSIONS:
    got = render("{{ " + e + " }}", messages=[], tools=None, documents=None, add_generation_prompt=True, **VARIABLES)
    if " object at 0x" not in got.get("text", "") and "<function" not in got.get("text", "") and "<built-in" not in got.get("text", ""):
        cases.append({"name": e, "source": "{{ " + e + " }}", "chat": "empty", "tools": False, "prompt": True, **got})
json.dump({"templates": T, "chats": CHATS, "tools": TOOLS, "variables": VARIABLES, "cases": cases}, __import__("sys").stdout, ensure_ascii=False, indent=0)
print()
