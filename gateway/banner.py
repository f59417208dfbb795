"""What `scripts/serve` prints once it is ready."""


def banner(rest_url: str, grpc_address: str, simulator_url: str, api_key: str) -> str:
    """Addresses, the demo key, and a line that works when pasted."""
    body = '{"model": "gpt-image-2", "prompt": "a lighthouse at dawn"}'
    decode = "import base64, json, sys; sys.stdout.buffer.write(base64.b64decode("
    decode += "json.load(sys.stdin)['data'][0]['b64_json']))"
    return f"""
reAPI is ready.

  REST       {rest_url}/v1
  gRPC       {grpc_address}
  sign in    {rest_url}/sign-in   (and {rest_url}/sign-up)
  simulator  {simulator_url}   (PUT /_faults/openai-a to break a channel)
  mail       {simulator_url}/_mail/   (what the demo sends arrives here, and nowhere else)
  API key    {api_key}   (a demo account with credits)

Make an image:

curl -s {rest_url}/v1/images/generations -H 'Authorization: Bearer {api_key}' \\
  -H 'Content-Type: application/json' -d '{body}' \\
  | python3 -c "{decode}" > image.png

Press Ctrl-C to stop.
"""
