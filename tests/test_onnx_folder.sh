#!/usr/bin/env bash
# test_onnx_folder.sh LATHE -- programs of decoders from folders of ONNX models go on as those of the models that they were exported from.
. "$(dirname "$0")/command.sh" "$1"
decoders=$root/tests/decoders lm=$root/tests/lm small="--cpu x86-64-v3 -q"

# the same tokens as from the folder of tensors; a graph without a past, and one with
for name in llama.dynamo gpt2.dynamo_past; do
  expect 0 "" "$lathe" build "$lm/${name%%.*}" $small -o tensors
  expect 0 "" "$lathe" build "$decoders/$name" $small -o graph
  ./tensors --ids 5,3,8,1 -n 24 --temp 0 >want && ./graph --ids 5,3,8,1 -n 24 --temp 0 >got && [ -s want ] && cmp want got || fail "$name goes on otherwise"
  ./graph --ids 5,3,8,1 -n 24 --temp 0 --chunk 2 >got && cmp want got || fail "$name goes on otherwise in chunks"
done

# what the settings beside it say
mkdir -p genai merged/onnx
cp "$decoders/llama.dynamo/model.onnx" genai/decoder.onnx
echo '{"model": {"context_length": 32, "eos_token_id": [3, 4], "bos_token_id": 1, "vocab_size": 67, "decoder": {"filename": "decoder.onnx"}}}' >genai/genai_config.json
expect 0 'fact "eos" = @model.eos' "$lathe" ir genai --cache on --pipeline default
expect 0 "capacity 32" "$lathe" ir genai --cache on --pipeline default
cp "$decoders/llama.dynamo/model.onnx" merged/onnx/decoder_model_merged.onnx
cp "$decoders/llama.dynamo/config.json" merged/
expect 0 "capacity 64" "$lathe" ir merged --cache on --pipeline default
expect 0 "batch 3 capacity 20" "$lathe" ir merged --cache on --pipeline default -d context=20 -d sequences=3

# what does not fit
expect 2 "it is on, off or auto" "$lathe" ir merged --cache maybe
expect 2 "the model was made for 1 to 64" "$lathe" ir merged --cache on --pipeline default -d context=65
expect 2 "the model has no caches" "$lathe" build "$root/tests/models/bert_dynamo" -o x -d sequences=2 -q
expect 1 "cannot become an incremental decoder" "$lathe" ir "$root/tests/models/bert_dynamo" --cache on --pipeline default
expect 0 "attention_mask" "$lathe" ir merged --pipeline default
expect 1 "no input has a size named" "$lathe" ir merged -d context=20
echo '{"model": 3' >genai/genai_config.json
mv genai/decoder.onnx genai/model.onnx
expect 1 "genai_config.json" "$lathe" ir genai --cache on --pipeline default

[ $bad = 0 ] && echo "folders of ONNX models go on"
exit $bad
