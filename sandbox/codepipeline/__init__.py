"""CodePipeline on the local AWS, with simulated builds."""
