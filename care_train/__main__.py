"""`python -m care_train`, for `accelerate launch -m care_train …`."""

from care_train.cli import main

main()
