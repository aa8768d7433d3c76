B
last_stateJ Uv?¾¼÷¿FÀãz?O"¬=Ñb?_QJÀó?